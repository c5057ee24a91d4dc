//! Promises that hold for any values, pages and changes.

use std::collections::HashSet;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use futures::TryStreamExt;
use proptest::collection::vec;
use proptest::prelude::*;
use tokio::time::timeout;
use vbs_client::mock::{self, Row};
use vbs_client::{Cursor, Error, ListBackups};

use crate::support::process::runtime;
use crate::support::server::{Reply, Request, Server};
use crate::support::{Listed, for_each_list, page_of, row_ids};

/// Names of parameters that take any text of up to 255 characters.
static TEXTS: LazyLock<Vec<&str>> = LazyLock::new(|| {
    let contract = crate::contract::query_parameters();
    let fits = |name: &str| {
        contract.iter().any(|parameter| parameter["name"] == name && parameter["schema"]["maxLength"] == 255)
    };
    ListBackups::parameters().iter().map(|parameter| parameter.name()).filter(|name| fits(name)).collect()
});

/// Any text: long ones, and ones with characters that are special in a query.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![any::<String>(), "[&=+;%#?~ \\\\/a\u{0}\u{e9}\r\n]{0,40}", "[a\u{20ac}]{200,300}", "\\PC{1,8}"]
}

proptest! {
    /// A value arrives unchanged, or is refused and nothing is sent.
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
                    let query = &requests[0].query;
                    let without_marker: Vec<_> = query.split('&').filter(|pair| !pair.starts_with("marker=")).collect();
                    prop_assert!(without_marker.join("&").len() <= 1800);
                    // A marker has room of its own.
                    prop_assert!(query.len() <= 1900);
                    prop_assert_eq!(&requests[0].pairs, &expected.into_iter().collect::<Vec<_>>());
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

    /// A list that is divided into any pages, also empty ones, is yielded completely.
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
    /// Inserts a row with an older time.
    InsertOlder(prop::sample::Index),
    Delete(prop::sample::Index),
    /// Deletes this number of rows from here on.
    DeleteRun(prop::sample::Index, usize),
    /// Deletes the rows just delivered, from the last one backwards.
    DeleteBehind(usize),
    /// The row no longer fits the filter.
    Rename(prop::sample::Index),
    /// Rows that were renamed fit the filter again.
    Restore,
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        Just(Change::Insert),
        any::<prop::sample::Index>().prop_map(Change::InsertOlder),
        any::<prop::sample::Index>().prop_map(Change::Delete),
        (any::<prop::sample::Index>(), 1..20_usize).prop_map(|(from, rows)| Change::DeleteRun(from, rows)),
        prop_oneof![1..4_usize, 1..30_usize].prop_map(Change::DeleteBehind),
        any::<prop::sample::Index>().prop_map(Change::Rename),
        Just(Change::Restore),
    ]
}

struct World {
    rows: Vec<Row>,
    /// Rows that were there from the start and have always fitted the filter.
    stayed: Vec<String>,
    inserted: usize,
}

impl World {
    fn insert(&mut self, at: usize) {
        self.rows.insert(at, Row::new(format!("new-{}", self.inserted)).name("nightly-new"));
        self.inserted += 1;
    }

    fn apply(&mut self, change: &Change, marker: Option<&str>) {
        let gone = match change {
            Change::Insert => return self.insert(0),
            Change::InsertOlder(at) => return self.insert(at.index(self.rows.len() + 1)),
            Change::Restore => {
                let rows = self.rows.iter_mut().filter(|row| vbs_client::Backup::from((*row).clone()).name.is_none());
                rows.for_each(|row| *row = Row::new(row.id()).name("nightly"));
                return;
            }
            Change::Rename(at) if !self.rows.is_empty() => {
                let at = at.index(self.rows.len());
                let id = self.rows[at].id().to_owned();
                self.rows[at] = Row::new(&id);
                vec![id]
            }
            Change::Delete(at) if !self.rows.is_empty() => vec![at.get(&self.rows).id().to_owned()],
            Change::DeleteRun(from, number) if !self.rows.is_empty() => {
                let from = from.index(self.rows.len());
                row_ids(&self.rows[from..self.rows.len().min(from + number)])
            }
            Change::DeleteBehind(number) => {
                let end = self.rows.iter().position(|row| Some(row.id()) == marker).map_or(0, |at| at + 1);
                row_ids(&self.rows[end.saturating_sub(*number)..end])
            }
            _ => return,
        };
        if !matches!(change, Change::Rename(_)) {
            self.rows.retain(|row| !gone.iter().any(|gone| gone == row.id()));
        }
        self.stayed.retain(|id| !gone.contains(id));
    }
}

/// A fault of a response.
#[derive(Clone, Copy, Debug)]
enum Fault {
    Busy,
    Throttled,
    Reset,
    /// The connection is closed in the middle of it.
    Cut,
    /// The same, where the end of the connection is the only end of the body.
    CutWithoutLength,
}

fn fault() -> impl Strategy<Value = Option<Fault>> {
    let faults = [Fault::Busy, Fault::Throttled, Fault::Reset, Fault::Cut, Fault::CutWithoutLength];
    prop::option::weighted(0.2, prop::sample::select(faults.to_vec()))
}

impl Fault {
    fn happen(self, request: &Request, response: Reply) -> Reply {
        match self {
            Self::Busy => request.reply(503, "<html>busy</html>"),
            Self::Throttled => request.reply_with(429, "Retry-After: 1\r\n", ""),
            Self::Reset => Reply::reset(vec![]),
            Self::Cut => response.cut(),
            Self::CutWithoutLength => Reply::close(b"HTTP/1.0 200 X\r\n\r\n{\"backups\": [".to_vec()),
        }
    }
}

/// The behaviour of the service, and how it is listed.
#[derive(Clone, Debug)]
struct Case {
    rows: usize,
    limit: u32,
    /// Between a response and the next one.
    changes: Vec<Vec<Change>>,
    faults: Vec<Option<Fault>>,
    /// Each for some responses.
    maxima: Vec<usize>,
    delays: Vec<u64>,
    fuzzy: bool,
    concurrency: usize,
    prefetch: bool,
    /// The milliseconds after which a wait for a row is cancelled and begun again.
    patience: Option<u64>,
    /// The number of rows after which the stream is dropped, and resumed after the last of them.
    dropped_after: Option<usize>,
}

prop_compose! {
    fn case()(
        (rows, limit) in prop_oneof![(1..40_usize, 1..7_u32), (1..120_usize, 1..40_u32)],
        changes in vec(vec(change(), 0..3), 0..30),
        faults in prop_oneof![Just(Vec::new()), vec(fault(), 0..30)],
        maxima in prop_oneof![Just(vec![1000]), vec(prop_oneof![1..4_usize, 1..40_usize], 1..5)],
        delays in vec(1..30_u64, 1..8),
        fuzzy in any::<bool>(),
        concurrency in 1..9_usize,
        prefetch in any::<bool>(),
        patience in prop::option::of(1..50_u64),
        dropped_after in prop::option::weighted(0.2, 1..30_usize),
    ) -> Case {
        Case { rows, limit, changes, faults, maxima, delays, fuzzy, concurrency, prefetch, patience, dropped_after }
    }
}

/// How a listing ended.
#[derive(Debug, PartialEq)]
enum End {
    Complete,
    /// It can't be resumed: the candidates for its marker were deleted.
    Lost,
}

/// All rows that a request yields, resumed as the docs describe it. No listing has a row twice.
async fn list_resumed<T: Listed>(
    mut request: ListBackups<T>,
    case: &Case,
) -> Result<(Vec<String>, End), TestCaseError> {
    let mut got: Vec<String> = Vec::new();
    // Where the rows of the present listing begin.
    let mut begin = 0;
    let (mut resumed, mut dropped) = (false, false);
    loop {
        let mut items = request.items();
        let error = loop {
            if case.dropped_after == Some(got.len()) && !dropped {
                dropped = true;
                break None;
            }
            let next = match case.patience {
                None => items.try_next().await,
                Some(patience) => loop {
                    if let Ok(next) = timeout(Duration::from_millis(patience), items.try_next()).await {
                        break next;
                    }
                },
            };
            match next {
                Ok(Some(row)) => {
                    let id = row.id();
                    prop_assert!(!got[begin..].contains(&id), "{} came twice: {:?}", id, got);
                    got.push(id);
                }
                Ok(None) => return Ok((got, End::Complete)),
                Err(error) => break Some(error),
            }
        };
        let cursor = match error {
            None => got.last().map(Cursor::after),
            // Too many faults.
            Some(error) if error.is_retryable() => got.last().map(Cursor::after),
            Some(error @ Error::Pagination { .. }) => {
                prop_assert!(error.to_string().contains("deleted"), "{:?}", error);
                match error.cursor() {
                    Some(cursor) => Some(cursor.clone()),
                    None => return Ok((got, End::Lost)),
                }
            }
            // The marker that it was resumed at was deleted, too.
            Some(error) if resumed && error.is_marker_gone() => return Ok((got, End::Lost)),
            Some(error) => return Err(TestCaseError::fail(format!("{error:?}"))),
        };
        if let Some(cursor) = cursor {
            request = request.resume_at(cursor);
            resumed = true;
            begin = got.len();
        }
    }
}

proptest! {
    /// All rows that stayed, each once and in order, whatever else happens; or an error after right rows.
    /// `PROPTEST_CASES` is the number of cases.
    #[test]
    fn any_changes_and_faults_yield_a_right_list(case in case()) {
        // With a paused clock, so that responses come in an order that is the same every time.
        for_each_list!({ runtime(true).block_on(async {
            let rows: Vec<_> = mock::rows(case.rows).into_iter().map(|row| row.name("nightly")).collect();
            let stayed = row_ids(&rows);
            let world = Arc::new(Mutex::new(World { rows, stayed, inserted: 0 }));
            let (shared, service) = (Arc::clone(&world), Arc::new(case.clone()));
            let server = Server::start(move |request, number| {
                let delay = service.delays[number % service.delays.len()];
                let (shared, service, request) = (Arc::clone(&shared), Arc::clone(&service), Arc::clone(request));
                let reply = Reply::deferred(move |response| {
                    let mut world = shared.lock().unwrap();
                    // The changes since the previous response.
                    let changes = response.checked_sub(1).and_then(|before| service.changes.get(before));
                    for change in changes.into_iter().flatten() {
                        world.apply(change, request.get("marker"));
                    }
                    let maximum = service.maxima[response / 3 % service.maxima.len()];
                    let reply = request.with_maximum(maximum).model(&world.rows);
                    match service.faults.get(response) {
                        Some(Some(fault)) => fault.happen(&request, reply),
                        _ => reply,
                    }
                });
                reply.after(Duration::from_millis(delay))
            })
            .await;

            let request = T::request(&server.retrying_client()).limit(case.limit);
            let mut request = request.concurrency(case.concurrency).prefetch(case.prefetch);
            if case.fuzzy {
                request = request.name_like("night");
            }
            let (mut got, end) = list_resumed(request, &case).await?;

            let listed = got.len();
            let mut once = HashSet::new();
            got.retain(|id| once.insert(id.clone()));
            // A resumed listing does not know which rows were listed before the inserted ones.
            let among = |change: &Change| matches!(change, Change::InsertOlder(_) | Change::Restore);
            prop_assert!(got.len() == listed || case.changes.iter().flatten().any(among), "a row came twice");
            let stayed = world.lock().unwrap().stayed.clone();
            let mut of_them: Vec<_> = got.into_iter().filter(|id| stayed.contains(id)).collect();
            if end == End::Lost {
                // The rows before the error are right.
                of_them.extend(stayed[of_them.len()..].iter().cloned());
            }
            prop_assert_eq!(of_them, stayed);
            Ok(())
        })? });
    }
}
