//! No silent downgrade: a list that may not be filtered is never given out.

mod common;

use common::{Service, page};
use futures::{StreamExt, TryStreamExt};
use httpmock::HttpMockResponse;
use vbs_client::{Error, ListBackups, Microversion};

const FUZZY: Microversion = Microversion::new(3, 31);

/// A service that answers with one backup, and these microversion headers.
async fn answering(versions: &'static [&'static str]) -> Service {
    Service::start(|_, _| {
        let body = page(&["a"], None).to_string();
        versions
            .iter()
            .fold(HttpMockResponse::builder().status(200).body(body), |answer, version| {
                answer.header("OpenStack-API-Version", *version)
            })
            .build()
    })
    .await
}

async fn refused(request: ListBackups) -> (Microversion, Option<Microversion>) {
    let sent = request.send().await.unwrap_err();
    let walked = request.items().next().await.unwrap().unwrap_err();
    let both = [sent, walked].map(|error| match error {
        Error::MicroversionNotHonored { required, answered } => (required, answered),
        other => panic!("{other:?}"),
    });
    assert_eq!(both[0], both[1]);
    both[0]
}

#[tokio::test]
async fn an_answer_in_a_lower_microversion_is_refused() {
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
        let service = answering(headers).await;
        assert_eq!(refused(service.client().list_backups().name_like("x")).await, (FUZZY, answered), "{headers:?}");
    }
}

#[tokio::test]
async fn the_same_or_a_higher_one_is_taken() {
    for headers in [&["volume 3.31"][..], &["volume 3.71"], &["volume 4.0"], &["compute 2.1, volume 3.31"]] {
        let service = answering(headers).await;
        let page = service.client().list_backups().name_like("x").send().await.unwrap();
        assert_eq!(page.backups.len(), 1, "{headers:?}");
    }
}

#[tokio::test]
async fn a_request_that_needs_none_takes_any() {
    for headers in [&[][..], &["volume 3.0"], &["nonsense"]] {
        let service = answering(headers).await;
        assert_eq!(service.client().list_backups().name("x").send().await.unwrap().backups.len(), 1);
    }
}

#[tokio::test]
async fn a_floor_has_to_be_honored_too() {
    let service = answering(&["volume 3.31"]).await;
    let client = service.builder().microversion(Microversion::new(3, 50)).build().unwrap();
    assert_eq!(refused(client.list_backups().name_like("x")).await, (Microversion::new(3, 50), Some(FUZZY)));
}

#[tokio::test]
async fn trust_takes_a_missing_header_but_not_a_lower_one() {
    let stripped = answering(&[]).await;
    let trusting = stripped.builder().trust_microversion(true).build().unwrap();
    let page = trusting.list_backups().name_like("x").send().await.unwrap();
    assert_eq!((page.backups.len(), page.microversion()), (1, None));

    for (headers, answered) in [(&["volume 3.0"], Some(Microversion::new(3, 0))), (&["nonsense"], None)] {
        let lower = answering(headers).await;
        let trusting = lower.builder().trust_microversion(true).build().unwrap();
        assert_eq!(refused(trusting.list_backups().name_like("x")).await, (FUZZY, answered));
    }
}

#[tokio::test]
async fn the_count_is_guarded_as_well() {
    let service = answering(&["volume 3.31"]).await;
    let error = service.client().list_backups().count().await.unwrap_err();
    assert!(matches!(error, Error::MicroversionNotHonored { .. }), "{error:?}");
}

/// A worker of an older release behind the same address, in the middle of a walk.
#[tokio::test]
async fn a_downgrade_in_the_middle_of_a_walk_ends_it() {
    let service = Service::start(|request, number| {
        let answer = page(&[&format!("row-{number}")], Some(&format!("marker=row-{number}"))).to_string();
        let version = if number < 2 { request.microversion().unwrap() } else { "volume 3.0" };
        HttpMockResponse::builder().status(200).header("openstack-api-version", version).body(answer).build()
    })
    .await;
    let mut pages = service.client().list_backups().name_like("row").pages();
    assert!(pages.try_next().await.unwrap().is_some());
    assert!(pages.try_next().await.unwrap().is_some());
    assert!(matches!(pages.try_next().await, Err(Error::MicroversionNotHonored { .. })));
    assert!(pages.try_next().await.unwrap().is_none(), "an error ends the stream");
}

/// It is not lowered when with_count, which needed it, is not asked any more.
#[tokio::test]
async fn a_walk_keeps_the_microversion_it_began_with() {
    let service = Service::model(common::model::rows(30)).await;
    let rows: Vec<_> = service.client().list_backups().limit(10).with_count(true).items().try_collect().await.unwrap();
    assert_eq!(rows.len(), 32);
    let seen = service.seen();
    assert_eq!(seen.len(), 4);
    assert!(seen.iter().all(|seen| seen.microversion() == Some("volume 3.45")), "{seen:?}");
}
