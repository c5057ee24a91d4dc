//! The pages of the guide, as a code host shows them. The first part is the whole test of `docs/testing.md`.

use vbs_client::mock::{Cinder, Row};
use vbs_client::{BackupStatus, Client, Error};

/// Deletes all backups in error, and returns how many there were.
async fn clean_up(client: &Client, mut delete: impl FnMut(&str)) -> Result<usize, Error> {
    let mut pages = client.list_backups().status(BackupStatus::Error).limit(10).prefetch(false).pages();
    let mut deleted = 0;
    while let Some(page) = pages.try_next().await? {
        for backup in &page {
            delete(&backup.id);
            deleted += 1;
        }
    }
    Ok(deleted)
}

#[tokio::test]
async fn a_deletion_in_mid_listing_leaves_no_backup_in_error() {
    // 100 backups, every other one in error, newest first.
    let status = |number: usize| if number.is_multiple_of(2) { "error" } else { "available" };
    let cinder = Cinder::start((0..100).map(|number| Row::new(format!("id-{number}")).status(status(number)))).await;

    let mut asked_for = Vec::new();
    let deleted = clean_up(&cinder.client(), |id| {
        asked_for.push(id.to_owned());
        // The status changes at once; Cinder deletes the backup later.
        cinder.set_status(id, "deleting");
        // The 20th backup ends the second page: it is the marker of the third.
        if asked_for.len() == 20 {
            cinder.delete(id);
        }
    })
    .await
    .unwrap();

    let in_error: Vec<_> = (0..100).step_by(2).map(|number| format!("id-{number}")).collect();
    assert_eq!(asked_for, in_error);
    assert_eq!(deleted, 50);
    assert_eq!(cinder.client().list_backups().status("error").count().await.unwrap(), 0);

    // The deleted marker was tried, and the listing went on after the backup before it.
    let markers: Vec<_> = cinder.requests().iter().filter_map(|r| r.parameter("marker").map(str::to_owned)).collect();
    assert_eq!(markers[1..3], ["id-38", "id-36"]);
}

// The end of that test.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn pages() -> Vec<(PathBuf, String)> {
    let folder = fs::read_dir(root().join("docs")).unwrap();
    let pages =
        folder.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some_and(|end| end == "md"));
    pages.map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect()
}

#[test]
fn the_test_in_the_guide_is_the_one_above() {
    let (_, rest) = include_str!("guide.rs").split_once("\n\n").unwrap();
    let (test, _) = rest.split_once("\n// The end of that test.").unwrap();
    assert!(include_str!("../../docs/testing.md").contains(&format!("```rust\n{test}```")));
}

#[test]
fn no_line_of_an_example_is_hidden() {
    for (path, text) in pages().into_iter().chain([(root().join("README.md"), include_str!("../../README.md").into())])
    {
        for block in text.split("```rust").skip(1).map(|rest| rest.split("```").next().unwrap()) {
            let hidden = block.lines().find(|line| line.trim() == "#" || line.trim().starts_with("# "));
            assert_eq!(hidden, None, "{}", path.display());
        }
    }
}

#[test]
fn each_promise_has_its_tests() {
    let readme = include_str!("../README.md");
    for section in readme.split("\n## ").skip(1) {
        let page = section.split('`').nth(1).unwrap();
        let text = fs::read_to_string(root().join(page)).unwrap();
        let rows: Vec<_> = section.lines().filter(|line| line.starts_with("| ")).skip(1).collect();
        assert!(rows.len() >= 5, "{page}");
        for row in rows {
            let (promise, tests) = row.trim_matches(['|', ' ']).rsplit_once(" | ").unwrap();
            assert!(text.contains(promise), "{page}: {promise}");
            for test in tests.split(", ").map(|test| test.trim_matches('`')) {
                let files =
                    [format!("tests/suite/{test}.rs"), format!("tests/{test}.rs"), format!("src/paging/{test}.rs")];
                assert!(files.iter().any(|file| root().join(file).exists()), "{page}: {test}");
            }
        }
    }
}

#[test]
fn each_page_is_listed_once_and_is_linked_to_where_it_is() {
    let (readme, guide) = (include_str!("../../README.md"), include_str!("../../src/guide.rs"));
    let links = include_str!("../../docs/rustdoc/links.md");
    for (path, text) in pages() {
        let name = path.file_stem().unwrap().to_str().unwrap();
        assert_eq!(readme.matches(&format!("[{name}]: docs/{name}.md\n")).count(), 1, "{name}");
        let (_, table) = readme.split_once("## More").unwrap();
        let (table, _) = table.split_once("`examples/` has").unwrap();
        assert_eq!(table.matches(&format!("][{name}]")).count(), 1, "{name}");
        assert_eq!(guide.matches(&format!("//! | [`{name}`] |")).count(), 1, "{name}");
        assert_eq!(guide.matches(&format!("../docs/{name}.md\"")).count(), 1, "{name}");

        // rustdoc uses the first definition of a link, a code host the page's own.
        let mut defined = BTreeSet::new();
        for line in text.lines().filter(|line| line.starts_with('[')) {
            let Some((label, target)) = line.split_once("]: ") else { continue };
            if target.starts_with("https:") {
                continue;
            }
            assert!(links.contains(&format!("{label}]: crate::")), "{name}: {label}]");
            assert!(path.parent().unwrap().join(target).exists(), "{name}: {target}");
            defined.insert(label.trim_start_matches('['));
        }
        assert!(!text.contains("](crate::"), "{name}: a link that only rustdoc knows");
        let prose: String = text.split("```").step_by(2).collect();
        for label in links.lines().filter_map(|line| line.strip_prefix('[')?.split_once("]: ")).map(|(label, _)| label)
        {
            let used = prose.contains(&format!("[{label}]")) && !prose.contains(&format!("[{label}](#"));
            assert_eq!(used, prose.contains(&format!("\n[{label}]: ")), "{name}: {label}");
        }
        assert!(defined.len() > 1, "{name}: it has links");
    }
}
