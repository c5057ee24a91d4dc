//! No silent downgrade: a list that may not be filtered is never returned.

use futures::StreamExt;
use vbs_client::mock::{Cinder, rows};
use vbs_client::{Error, ListBackups, Microversion};

use crate::support::page;
use crate::support::server::{Reply, Server};

const FUZZY: Microversion = Microversion::new(3, 34);

/// A service that responds with one backup and these microversion headers.
async fn responding(versions: &'static [&'static str]) -> Server {
    Server::start(|_, _| {
        let body = page(&["a"], None).to_string();
        let headers: String = versions.iter().map(|version| format!("OpenStack-API-Version: {version}\r\n")).collect();
        Reply::http(200, &headers, body)
    })
    .await
}

async fn refused(request: ListBackups) -> (Microversion, Option<Microversion>) {
    let sent = request.send().await.unwrap_err();
    let listed = request.items().next().await.unwrap().unwrap_err();
    let both = [sent, listed].map(|error| match error {
        Error::MicroversionNotHonored { required, answered, .. } => (required, answered),
        other => panic!("{other:?}"),
    });
    assert_eq!(both[0], both[1]);
    both[0]
}

#[tokio::test]
async fn a_filter_without_its_microversion_is_an_error() {
    for (headers, answered) in [
        (&["volume 3.0"][..], Some(Microversion::new(3, 0))),
        (&["volume 3.9"], Some(Microversion::new(3, 9))),
        (&["volume 3.45", "volume 3.30"], Some(Microversion::new(3, 30))),
        (&[], None),
        (&["nonsense"], None),
        (&["3.45"], None),
        (&["compute 3.45"], None),
        (&["volume 3.45x"], None),
        (&["volume \u{e9}"], None),
    ] {
        let server = responding(headers).await;
        assert_eq!(refused(server.client().list_backups().name_like("x")).await, (FUZZY, answered), "{headers:?}");
    }
}

#[tokio::test]
async fn the_same_or_a_higher_microversion_is_accepted() {
    for headers in [&["volume 3.34"][..], &["volume 3.71"], &["volume 4.0"], &["compute 2.1, volume 3.34"]] {
        let server = responding(headers).await;
        let page = server.client().list_backups().name_like("x").send().await.unwrap();
        assert_eq!(page.backups.len(), 1, "{headers:?}");
    }
}

#[tokio::test]
async fn a_request_without_a_minimum_accepts_any_microversion() {
    for headers in [&[][..], &["volume 3.0"], &["nonsense"]] {
        let server = responding(headers).await;
        assert_eq!(server.client().list_backups().name("x").send().await.unwrap().backups.len(), 1);
    }
}

#[tokio::test]
async fn the_clients_minimum_microversion_is_checked() {
    let server = responding(&["volume 3.34"]).await;
    let client = server.builder().microversion(Microversion::new(3, 50)).build().unwrap();
    assert_eq!(refused(client.list_backups().name_like("x")).await, (Microversion::new(3, 50), Some(FUZZY)));
}

#[tokio::test]
async fn trust_microversion_accepts_a_missing_header_but_no_lower_one() {
    let stripped = responding(&[]).await;
    let trusting = stripped.builder().trust_microversion(true).build().unwrap();
    let page = trusting.list_backups().name_like("x").send().await.unwrap();
    assert_eq!((page.backups.len(), page.microversion()), (1, None));

    for (headers, answered) in [(&["volume 3.0"], Some(Microversion::new(3, 0))), (&["nonsense"], None)] {
        let lower = responding(headers).await;
        let trusting = lower.builder().trust_microversion(true).build().unwrap();
        assert_eq!(refused(trusting.list_backups().name_like("x")).await, (FUZZY, answered));
    }
}

#[tokio::test]
async fn count_checks_the_microversion() {
    let server = responding(&["volume 3.34"]).await;
    let error = server.client().list_backups().count().await.unwrap_err();
    assert!(matches!(error, Error::MicroversionNotHonored { .. }), "{error:?}");
}

/// A worker of an older release behind the same address.
#[tokio::test]
async fn a_downgrade_between_pages_is_an_error() {
    let server = Server::start(|request, number| {
        let body = page(&[&format!("row-{number}")], Some(&format!("marker=row-{number}"))).to_string();
        let version = if number < 2 { request.microversion().unwrap() } else { "volume 3.0" };
        Reply::http(200, &format!("OpenStack-API-Version: {version}\r\n"), body)
    })
    .await;
    let mut pages = server.client().list_backups().name_like("row").pages();
    assert!(pages.try_next().await.unwrap().is_some());
    assert!(pages.try_next().await.unwrap().is_some());
    assert!(matches!(pages.try_next().await, Err(Error::MicroversionNotHonored { .. })));
    assert!(pages.try_next().await.unwrap().is_none(), "an error ends the stream");
}

/// Also if only with_count needed it, although later pages are requested without it.
#[tokio::test]
async fn later_pages_keep_the_microversion_of_the_first() {
    let cinder = Cinder::start(rows(32)).await;
    let rows: Vec<_> = cinder.client().list_backups().limit(10).with_count(true).items().try_collect().await.unwrap();
    assert_eq!(rows.len(), 32);
    let requests = cinder.requests();
    assert_eq!(requests.len(), 4);
    assert!(requests.iter().all(|request| request.microversion == Some(Microversion::new(3, 45))), "{requests:?}");
}
