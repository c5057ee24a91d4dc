//! Promises that hold for any values, pages and changes.

use std::collections::HashSet;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use futures::TryStreamExt;
use proptest::collection::vec;
use proptest::prelude::*;
use vbs_client::{Error, ListBackups};

use crate::support::model::{self, Row};
use crate::support::process::runtime;
use crate::support::server::Server;
use crate::support::{Listed, for_each_list, page_of};

/// Names of parameters that take any text of up to 255 characters.
static TEXTS: LazyLock<Vec<&str>> = LazyLock::new(|| {
    let contract = crate::contract::query_parameters();
    let fits = |name: &str| {
        contract.iter().any(|parameter| parameter["name"] == name && parameter["schema"]["maxLength"] == 255)
    };
    ListBackups::parameters().iter().map(|parameter| parameter.name()).filter(|name| fits(name)).collect()
});

/// Any text, and texts of what is special in a query or long.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![any::<String>(), "[&=+;%#?~ \\\\/a\u{0}\u{e9}\r\n]{0,40}", "[a\u{20ac}]{200,300}", "\\PC{1,8}"]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// A value arrives as it is, or is refused and nothing is sent.
    #[test]
    fn any_value_arrives_unchanged_or_is_refused(values in vec((0..TEXTS.len(), value()), 1..4)) {
        for_each_list!({ runtime(false).block_on(async {
            let server = Server::fixed(200, r#"{"backups":[]}"#).await;
            let mut request = T::request(&server.client());
            let mut expected = std::collections::BTreeMap::new();
            for (which, value) in &values {
                request = request.parameter(TEXTS[*which], value).unwrap();
                expected.insert(TEXTS[*which].to_owned(), value.clone());
            }
            match request.send().await {
                Ok(_) => {
                    let requests = server.requests();
                    prop_assert_eq!(&requests[0].pairs, &expected.into_iter().collect::<Vec<_>>());
                    prop_assert!(requests[0].query.len() <= 1800);
                }
                Err(Error::InvalidRequest { parameter, .. }) => {
                    prop_assert!(expected.contains_key(&parameter));
                    prop_assert!(server.requests().is_empty());
                    let bad = |value: &String| value.is_empty() || value.contains('\0') || value.chars().count() > 255;
                    let long = || form_urlencoded::Serializer::new(String::new()).extend_pairs(&expected).finish().len() > 1800;
                    prop_assert!(expected.values().any(bad) || long(), "refused without a reason: {:?}", expected);
                }
                Err(other) => prop_assert!(false, "{:?}", other),
            }
            Ok(())
        })? });
    }

    /// However a list is divided into pages, empty ones among them, pagination yields the list.
    #[test]
    fn any_division_into_pages_yields_the_list(
        sizes in vec(0..5_usize, 1..12),
        by_offset in any::<bool>(),
        limit in prop::option::of(4..9_u32),
        concurrency in 1..5_usize,
    ) {
        for_each_list!({ runtime(false).block_on(async {
            let rows: Vec<String> = (0..sizes.iter().sum()).map(|row| format!("row-{row}")).collect();
            let mut rest = rows.as_slice();
            let mut pages: Vec<Vec<String>> = Vec::new();
            for size in &sizes {
                let (page, behind) = rest.split_at(*size);
                pages.push(page.to_vec());
                rest = behind;
            }
            let last = pages.len() - 1;
            let server = Server::start(move |request, _| {
                let at = request.get(if by_offset { "offset" } else { "marker" });
                let number: usize = at.map_or(0, |at| at.trim_start_matches("page-").parse().unwrap());
                if number > last {
                    return request.page(&page_of::<T>(&[], None));
                }
                let next = if by_offset { format!("offset={}", number + 1) } else { format!("limit=3&marker=page-{}", number + 1) };
                let ids: Vec<_> = pages[number].iter().map(String::as_str).collect();
                request.page(&page_of::<T>(&ids, (number < last).then_some(next.as_str())))
            })
            .await;
            let mut request = T::request(&server.client()).concurrency(concurrency);
            if let Some(limit) = limit {
                request = request.limit(limit);
            }
            let got: Vec<_> = request.items().map_ok(Listed::id).try_collect().await.unwrap();
            prop_assert_eq!(got, rows);
            prop_assert!(concurrency > 1 || server.requests().len() == sizes.len());
            Ok(())
        })? });
    }
}

/// Something that happens to the list between two pages.
#[derive(Clone, Debug)]
enum Change {
    Insert,
    Delete(prop::sample::Index),
    /// Deletes the rows just delivered, from the last one backwards.
    DeleteBehind(usize),
    Rename(prop::sample::Index),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        Just(Change::Insert),
        any::<prop::sample::Index>().prop_map(Change::Delete),
        (1..4_usize).prop_map(Change::DeleteBehind),
        any::<prop::sample::Index>().prop_map(Change::Rename),
    ]
}

struct World {
    rows: Vec<Row>,
    /// Rows that were there from the start and have always fitted the filter.
    stayed: Vec<String>,
    inserted: usize,
}

impl World {
    fn apply(&mut self, change: &Change, marker: Option<&str>) {
        let gone = match change {
            Change::Insert => {
                let mut row = model::rows(1).remove(2);
                row.id = format!("new-{}", self.inserted);
                row.name = Some("nightly-new".to_owned());
                self.inserted += 1;
                self.rows.insert(0, row);
                return;
            }
            Change::Rename(at) if !self.rows.is_empty() => {
                let row = at.get(&self.rows).id.clone();
                self.rows.iter_mut().filter(|r| r.id == row).for_each(|r| r.name = None);
                vec![row]
            }
            Change::Delete(at) if !self.rows.is_empty() => vec![at.get(&self.rows).id.clone()],
            Change::DeleteBehind(number) => {
                let end = self.rows.iter().position(|row| Some(row.id.as_str()) == marker).map_or(0, |at| at + 1);
                self.rows[end.saturating_sub(*number)..end].iter().map(|row| row.id.clone()).collect()
            }
            _ => return,
        };
        if !matches!(change, Change::Rename(_)) {
            self.rows.retain(|row| !gone.contains(&row.id));
        }
        self.stayed.retain(|id| !gone.contains(id));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// All rows that stayed, each once and in order, whatever else happens; or an error and where to
    /// resume, from where the same holds.
    #[test]
    fn any_changes_yield_a_right_list(
        rows in 1..40_usize,
        limit in 1..7_u32,
        changes in vec(vec(change(), 0..3), 0..30),
        delays in vec(1..30_u64, 1..8),
        fuzzy in any::<bool>(),
        concurrency in 1..6_usize,
        prefetch in any::<bool>(),
    ) {
        // With a paused clock, so that responses come in an order that is the same every time.
        for_each_list!({ runtime(true).block_on(async {
            let mut rows = model::rows(rows).split_off(2);
            rows.iter_mut().for_each(|row| row.name = Some("nightly".to_owned()));
            let stayed = rows.iter().map(|row| row.id.clone()).collect();
            let world = Arc::new(Mutex::new(World { rows, stayed, inserted: 0 }));
            let shared = Arc::clone(&world);
            let (changes, delays) = (changes.clone(), delays.clone());
            let server = Server::changing_model(
                move |number| Duration::from_millis(delays[number % delays.len()]),
                move |request, response| {
                    let mut world = shared.lock().unwrap();
                    // What happened since the response before.
                    let changes = response.checked_sub(1).and_then(|before| changes.get(before));
                    for change in changes.into_iter().flatten() {
                        world.apply(change, request.get("marker"));
                    }
                    world.rows.clone()
                },
            )
            .await;

            let mut request = T::request(&server.client()).limit(limit).concurrency(concurrency).prefetch(prefetch);
            if fuzzy {
                request = request.name_like("night");
            }
            let mut got: Vec<String> = Vec::new();
            let mut resumed = false;
            let complete = loop {
                let mut items = request.items();
                let error = loop {
                    match items.try_next().await {
                        Ok(Some(row)) => got.push(row.id()),
                        Ok(None) => break None,
                        Err(error) => break Some(error),
                    }
                };
                match error {
                    None => break true,
                    Some(error @ Error::Pagination { .. }) => match error.cursor().cloned() {
                        Some(cursor) => {
                            request = request.resume_at(cursor);
                            resumed = true;
                        }
                        None => break false,
                    },
                    // The marker that it was resumed at is gone as well.
                    Some(error) if resumed && error.is_not_found() => break false,
                    Some(other) => panic!("{other:?}"),
                }
            };

            prop_assert_eq!(got.iter().collect::<HashSet<_>>().len(), got.len(), "a row came twice: {:?}", got);
            let stayed = world.lock().unwrap().stayed.clone();
            let mut of_them: Vec<_> = got.into_iter().filter(|id| stayed.contains(id)).collect();
            if !complete {
                // Then they are right as far as they go.
                of_them.extend(stayed[of_them.len()..].iter().cloned());
            }
            prop_assert_eq!(of_them, stayed);
            Ok(())
        })? });
    }
}
