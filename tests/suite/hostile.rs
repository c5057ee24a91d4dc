//! Hostile and broken responses: the right error, bounded memory, no panic.

use std::io::Write;
use std::time::Duration;

use futures::StreamExt;
use vbs_client::{BackupDetail, Error};

use crate::secrets::{everything, part_of_token};
use crate::support::process::{in_own_process, runtime};
use crate::support::server::{Reply, Server, closing, last_response};
use crate::support::{Listed, for_each_list, page_of, test_both_lists};

const MIB: usize = 1024 * 1024;

test_both_lists!(
    a_body_of_a_gibibyte_is_too_large,
    an_endless_error_body_is_not_read_to_its_end,
    the_body_limit_is_configurable,
    the_body_limit_counts_decompressed_bytes,
    whole_compressed_json_that_ends_early_is_not_retryable,
    a_body_that_is_no_list_is_undecodable,
    a_response_that_is_not_http_is_a_transport_error,
    malformed_headers_are_ignored,
    an_error_message_is_one_line,
    a_dripping_body_ends_at_the_page_deadline,
    a_thousand_next_links_are_one_next_page,
    an_error_body_of_many_html_tags_is_read,
);

async fn error_of<T: Listed>(reply: Reply) -> Error {
    let server = Server::script(vec![reply]).await;
    let client = server.client();
    let error = T::request(&client).send().await.unwrap_err();
    assert_eq!(server.requests().len(), 1);
    error
}

/// The peak memory of the process, in bytes.
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}

#[test]
fn an_endless_body_is_too_large() {
    in_own_process(|| {
        for_each_list!({ runtime(false).block_on(endless_body::<T>()) });
    });
}

async fn endless_body<T: Listed>() {
    let before = peak();
    let head = b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    let chunk = [b"10000\r\n".to_vec(), vec![b' '; 0x10000], b"\r\n".to_vec()].concat();
    let error = error_of::<T>(Reply::endless(head, chunk)).await;
    assert!(matches!(error, Error::TooLarge { .. }), "{error:?}");
    assert_eq!(error.to_string(), "the body of the response exceeds 67108864 bytes");
    assert!(!error.is_retryable());
    // 64 MiB, and the memory to concatenate them.
    assert!(peak() - before < 256 * MIB, "{} MiB", (peak() - before) / MIB);
}

#[test]
fn a_large_undecodable_body_takes_bounded_memory() {
    in_own_process(|| runtime(false).block_on(large_undecodable_bodies()));
}

/// A token of 8 KiB, in as many forms as fit into a body of 60 MiB.
async fn large_undecodable_bodies() {
    let token: String = (0..8192).map(|_| fastrand::alphanumeric()).collect();
    let escaped: String = token.bytes().map(|byte| format!("\\u{byte:04x}")).collect();
    let before = peak();
    for (start, repeated) in [
        ("", token.clone()),
        ("<html>", format!("{token}\r\n")),
        ("{\"backups\":\"", token.clone()),
        ("{\"backups\":[{\"id\":\"", escaped.clone()),
        ("{\"backups\":[{\"id\":7,\"name\":\"", escaped.clone()),
        ("{\"backups\":[],\"count\":\"", escaped),
        ("{\"backups\":[],\"unknown\":[0", ",0".repeat(MIB)),
    ] {
        let head = format!("HTTP/1.1 200 X\r\nContent-Length: {}\r\n\r\n{start}", 60 * MIB);
        let server = Server::script(vec![Reply::endless(head.into_bytes(), repeated.into_bytes())]).await;
        let error = server.builder().token(&token).build().unwrap().list_backups().send().await.unwrap_err();
        assert!(matches!(error, Error::Undecodable { .. }), "{start}: {error:?}");
        let text = everything(&error);
        assert!(text.len() < 10_000, "{start}: {}", text.len());
        assert_eq!(part_of_token(&text, &token), None, "{start}");
    }
    // The body once, and the memory to concatenate or decode it.
    assert!(peak() - before < 256 * MIB, "{} MiB", (peak() - before) / MIB);
}

async fn an_endless_error_body_is_not_read_to_its_end<T: Listed>() {
    let head = b"HTTP/1.1 500 X\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    let chunk = [b"1000\r\n".to_vec(), vec![b'x'; 0x1000], b"\r\n".to_vec()].concat();
    let error = error_of::<T>(Reply::endless(head, chunk)).await;
    assert_eq!(error.status().unwrap(), 500);
}

async fn a_body_of_a_gibibyte_is_too_large<T: Listed>() {
    let head = format!("HTTP/1.1 200 X\r\nX-OpenStack-Request-Id: req-9\r\nContent-Length: {}\r\n\r\n", 1024 * MIB);
    let error = error_of::<T>(Reply::endless(head.into_bytes(), vec![b'['; MIB])).await;
    assert!(matches!(error, Error::TooLarge { .. }), "{error:?}");
    assert_eq!(error.request_id(), Some("req-9"));
}

async fn the_body_limit_is_configurable<T: Listed>() {
    let body = page_of::<T>(&["a"], None).to_string();
    let server = Server::script(vec![closing(200, "", &body)]).await;
    let fits = server.retrying_builder().body_limit(body.len()).build().unwrap();
    assert_eq!(T::request(&fits).send().await.unwrap().backups.len(), 1);
    let short = server.retrying_builder().body_limit(body.len() - 1).build().unwrap();
    assert!(matches!(T::request(&short).send().await, Err(Error::TooLarge { .. })));
    assert_eq!(server.requests().len(), 2, "no retry");
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packed.write_all(body).unwrap();
    packed.finish().unwrap()
}

async fn the_body_limit_counts_decompressed_bytes<T: Listed>() {
    let bomb = gzip(&vec![b' '; 100 * MIB]);
    assert!(bomb.len() < MIB);
    let error = error_of::<T>(closing(200, "Content-Encoding: gzip\r\n", bomb)).await;
    assert!(matches!(error, Error::TooLarge { .. }), "{error:?}");

    let server = Server::script(vec![closing(
        200,
        "Content-Encoding: gzip\r\n",
        gzip(page_of::<T>(&["a"], None).to_string().as_bytes()),
    )])
    .await;
    assert!(T::request(&server.retrying_client()).send().await.unwrap().is_last());
    let cut = gzip(page_of::<T>(&["a"], None).to_string().as_bytes());
    let error = error_of::<T>(closing(200, "Content-Encoding: gzip\r\n", &cut[..cut.len() - 9])).await;
    assert!(matches!(error, Error::Transport { .. }), "{error:?}");
}

async fn whole_compressed_json_that_ends_early_is_not_retryable<T: Listed>() {
    let body = page_of::<T>(&["a"], None).to_string();
    let early = &body.as_bytes()[..body.len() / 2];
    let error = error_of::<T>(Reply::http(200, "Content-Encoding: gzip\r\n", gzip(early))).await;
    assert!(matches!(error, Error::Undecodable { .. }) && !error.is_retryable(), "{error:?}");
    // The body has no length: it ends with the connection.
    let head = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";
    let error = error_of::<T>(Reply::close([&head[..], early].concat())).await;
    assert!(matches!(error, Error::Undecodable { .. }) && error.is_retryable(), "{error:?}");
}

async fn a_body_that_is_no_list_is_undecodable<T: Listed>() {
    let deep = |open: &str, times| format!("{{\"backups\":[],\"x\":{}", open.repeat(times));
    let row = T::json("a").to_string();
    let with_id = |id: &[u8]| {
        let (before, behind) = row.split_once("\"a\"").unwrap();
        [b"{\"backups\":[", before.as_bytes(), id, behind.as_bytes(), b"]}"].concat()
    };
    for body in [
        "[".repeat(MIB).into_bytes(),
        "{\"backups\":".repeat(100_000).into_bytes(),
        deep("[", MIB).into_bytes(),
        deep("{\"a\":", 200_000).into_bytes(),
        br#"{"backups":{"0":{"id":"a","name":null}}}"#.to_vec(),
        br#"{"backups":[["a",null]]}"#.to_vec(),
        br#"{"backups":[["a",[],null]]}"#.to_vec(),
        br#"{"backups":[],"backups_links":[["?marker=x","next"]]}"#.to_vec(),
        br#"[[],[],null]"#.to_vec(),
        format!("{{\"backups\":[{row}],\"backups\":[]}}").into_bytes(),
        with_id(br#""a","id":"b""#),
        with_id(b"\"\xff\xfe\""),
        with_id(br#""\ud800""#),
        with_id(b"null"),
        with_id(b"7"),
        br#"{"backups":[],"count":1e400}"#.to_vec(),
        br#"{"backups":[],"count":18446744073709551616}"#.to_vec(),
        br#"{"backups":[]} {"backups":[]}"#.to_vec(),
        b"\xef\xbb\xbf{\"backups\":[]}".to_vec(),
        b"<!DOCTYPE html><html><body>Please log in</body></html>".to_vec(),
        b"".to_vec(),
    ] {
        let start = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
        let error = error_of::<T>(closing(200, "", body)).await;
        assert!(matches!(error, Error::Undecodable { .. }), "{start}: {error:?}");
        assert!(error.to_string().len() < 1500, "{start}");
    }
}

async fn a_response_that_is_not_http_is_a_transport_error<T: Listed>() {
    let many = "X-A: b\r\n".repeat(10_000);
    let long = format!("X-A: {}\r\n", "b".repeat(2 * MIB));
    for bytes in [
        b"hello\r\n\r\n".to_vec(),
        b"HTTP/1.1 200 X\r\nContent-Length: ten\r\n\r\n".to_vec(),
        b"HTTP/1.1 200 X\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}".to_vec(),
        b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n".to_vec(),
        b"HTTP/9.9 200 X\r\n\r\n".to_vec(),
        b"\x16\x03\x01\x02\x00".to_vec(),
        last_response(200, &many, "{\"backups\":[]}"),
        last_response(200, &long, "{\"backups\":[]}"),
    ] {
        let error = error_of::<T>(Reply::close(bytes.clone())).await;
        assert!(matches!(error, Error::Transport { .. }), "{:?}: {error:?}", &bytes[..20.min(bytes.len())]);
    }
}

/// The request needs no microversion.
async fn malformed_headers_are_ignored<T: Listed>() {
    for headers in [
        "OpenStack-API-Version: \u{1f980}\r\n",
        "X-OpenStack-Request-Id: \u{e9}\r\n",
        "Retry-After: never\r\n",
        "Location: \r\n",
        "Set-Cookie: a=b\r\n",
    ] {
        let server = Server::script(vec![closing(200, headers, page_of::<T>(&["a"], None).to_string())]).await;
        let page = T::request(&server.client()).send().await.map_err(|e| format!("{headers}: {e:?}")).unwrap();
        assert_eq!(page.backups.len(), 1);
    }
}

/// No text of a server adds a line to a message.
async fn an_error_message_is_one_line<T: Listed>() {
    for bytes in [
        last_response(500, "X-OpenStack-Request-Id: a\tb\r\n", "line\r\nline\u{1b}[2J\u{85}\u{2028}end"),
        last_response(302, "Location: /a\tb\r\n", ""),
        last_response(400, "", "{\"badRequest\":{\"code\":400,\"message\":\"a\\nb\\u0007c\"}}"),
        last_response(200, "", "not\njson\u{1b}[31m"),
        last_response(200, "", "{\"backups\":[],\"backups_links\":[{\"rel\":\"next\",\"href\":\"a\\nb\"}]}"),
        last_response(200, "", "{\"backups\":[],\"count\":\"a\\nb\\u001b[31m\\u202ec\"}"),
        last_response(200, "", "{\"backups\":[],\"error\":\"a\\nb\\u001b[31m\\u202ec\"}"),
    ] {
        is_one_line(&error_of::<T>(Reply::close(bytes)).await);
    }
}

fn is_one_line(error: &Error) {
    let shown = error.to_string();
    let source = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    let text = if let Error::Undecodable { text, .. } = error { text.as_str() } else { "" };
    for text in [&shown, &source, text] {
        let hides = |c: char| c.is_control() || "\u{2028}\u{2029}\u{202e}\u{2066}".contains(c);
        assert!(!text.contains(hides), "{text:?}");
    }
}

/// The path of a wrong value has the keys of the server's maps.
#[tokio::test]
async fn a_key_of_a_map_adds_no_line_to_a_message() {
    let mut body = page_of::<BackupDetail>(&["a"], None);
    body["backups"][0]["metadata"] = serde_json::json!({"\u{1b}[2J\u{7}a\nb\r\u{2028}c\u{202e}": 5});
    let error = error_of::<BackupDetail>(Reply::close(last_response(200, "", body.to_string()))).await;
    assert!(error.to_string().starts_with("backups[0].metadata. [2J a b c of the response is invalid: "), "{error}");
    is_one_line(&error);
}

/// One byte a second, with a clock that is not paused.
async fn a_dripping_body_ends_at_the_page_deadline<T: Listed>() {
    let server = Server::script(vec![Reply::drip(b"HTTP/1.1 200 X\r\nContent-Length: 9999\r\n\r\n{".to_vec())]).await;
    let client = server.retrying_builder().page_deadline(Duration::from_millis(300)).build().unwrap();
    let error = T::request(&client).send().await.unwrap_err();
    assert!(matches!(error, Error::PageDeadline { attempts: 1, .. }), "{error:?}");
}

async fn a_thousand_next_links_are_one_next_page<T: Listed>() {
    let mut body = page_of::<T>(&["a"], Some("marker=a"));
    let link = body["backups_links"][0].clone();
    body["backups_links"] = vec![link; 1000].into();
    let server = Server::start(move |request, number| match number {
        0 => request.page(&body),
        _ => request.page(&page_of::<T>(&["b"], None)),
    })
    .await;
    assert_eq!(T::request(&server.client()).items().count().await, 2);
    assert_eq!(server.requests().len(), 2);
}

/// A deadline can't interrupt the decoding of a body.
async fn an_error_body_of_many_html_tags_is_read<T: Listed>() {
    for tag in ["<a", "<", "<style", "&lt;"] {
        let server = Server::script(vec![closing(500, "", tag.repeat(2_000_000))]).await;
        let client = server.builder().page_deadline(Duration::from_secs(20)).build().unwrap();
        let error = T::request(&client).send().await.unwrap_err();
        assert_eq!(error.status().unwrap(), 500, "{error:?}");
    }
}
