//! The token is sent to the configured endpoint only.

use std::error::Error as _;
use std::fmt::Write;

use futures::StreamExt;
use serde_json::json;
use vbs_client::{Client, Error, Microversion};

use crate::support::process::{in_own_process, in_own_process_with, runtime};
use crate::support::server::{Reply, Server, closing};
use crate::support::trace::Trace;
use crate::support::{PROJECT_ID, TOKEN, list_ids, page};

/// A server that must not receive anything.
async fn stranger() -> Server {
    Server::fixed(200, r#"{"backups":[{"id":"stranger","name":null}]}"#).await
}

/// Everything that an error shows.
pub fn everything(error: &Error) -> String {
    let mut text = format!("{error} {error:?} {error:#?} {:?} {:?}", error.fault(), error.request_id());
    let mut source = error.source();
    while let Some(cause) = source {
        write!(text, " {cause} {cause:?}").unwrap();
        source = cause.source();
    }
    text
}

#[tokio::test]
async fn a_link_to_another_host_is_not_followed() {
    let stranger = stranger().await;
    let elsewhere = stranger.endpoint();
    for link in [
        format!("{elsewhere}/v3/{PROJECT_ID}/backups?marker=a"),
        format!("//{}?marker=a", stranger.address),
        format!("http://user:secret@{}/?marker=a", stranger.address),
        format!("{elsewhere}\\@127.0.0.1/?marker=a"),
        format!("https://{}/v3/{PROJECT_ID}/backups?marker=a", stranger.address),
        "/v2/other-project/backups?marker=a".to_owned(),
        "file:///etc/passwd?marker=a".to_owned(),
        "?marker=a".to_owned(),
    ] {
        let server = Server::start(move |request, number| match number {
            0 => {
                let mut first = page(&["a"], None);
                first["backups_links"] = json!([{"rel": "next", "href": link}]);
                request.page(&first)
            }
            _ => request.page(&page(&["b"], None)),
        })
        .await;
        let rows = list_ids(&server.client().list_backups()).await;
        assert_eq!(rows, ["a", "b"]);
        let requests = server.requests();
        assert_eq!(requests.len(), 2);
        assert_eq!(
            (requests[1].path.as_str(), requests[1].query.as_str()),
            (&*format!("/v3/{PROJECT_ID}/backups"), "marker=a")
        );
    }
    assert!(stranger.requests().is_empty(), "{:?}", stranger.requests());
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let stranger = stranger().await;
    for status in [300, 301, 302, 303, 305, 307, 308] {
        let location = format!("{}/v3/{PROJECT_ID}/backups", stranger.endpoint());
        let target = location.clone();
        let server = Server::start(move |_, _| Reply::http(status, &format!("Location: {target}\r\n"), "")).await;
        let settings = server.builder().http(|http| http.redirect(reqwest::redirect::Policy::limited(10)));
        for client in [server.client(), settings.build().unwrap()] {
            let error = client.list_backups().send().await.unwrap_err();
            assert_eq!(error.status().map(|status| status.as_u16()), Some(status));
            assert!(!error.is_retryable());
            let Error::Redirect { location: target, .. } = &error else { panic!("{error:?}") };
            assert_eq!(target.as_ref(), Some(&location));
            let message = error.to_string();
            assert!(message.contains("redirect") && message.contains(&location), "{message}");
        }
        assert_eq!(server.requests().len(), 2);
    }
    assert!(stranger.requests().is_empty(), "{:?}", stranger.requests());
}

#[tokio::test]
async fn a_304_is_no_redirect() {
    let server = Server::start(|_, _| Reply::http(304, "Location: /login\r\n", "")).await;
    let error = server.client().list_backups().send().await.unwrap_err();
    assert!(matches!(error, Error::Status { .. }), "{error:?}");
    assert_eq!(error.to_string(), "the service responded 304 Not Modified");
}

#[tokio::test]
async fn a_redirect_to_the_same_host_is_not_followed_either() {
    let server = Server::start(|_, _| Reply::http(302, "Location: /login\r\n", "")).await;
    let error = server.client().list_backups().send().await.unwrap_err();
    assert!(error.to_string().contains("a redirect to /login"), "{error}");
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_redirect_is_reported_whatever_its_body_and_without_a_location() {
    let server = Server::fixed(302, r#"{"badRequest":{"code":302,"message":"moved"}}"#).await;
    let error = server.client().list_backups().send().await.unwrap_err();
    assert!(
        error.to_string().starts_with("the service responded 302 Found, a redirect, which is not followed"),
        "{error}"
    );
    assert_eq!(error.request_id(), Some("req-1"));
}

#[tokio::test]
async fn debug_output_contains_no_token() {
    let server = Server::fixed(200, "{}").await;
    let builder = server.builder();
    let client = server.client();
    let text = format!("{builder:?} {builder:#?} {client:?} {client:#?} {:?}", client.list_backups().name("visible"));
    assert!(!text.contains(TOKEN), "{text}");
    assert!(text.contains("visible") && text.contains(PROJECT_ID) && text.contains("127.0.0.1"), "{text}");
}

/// A server that sends the token back can't get it into an error.
#[tokio::test]
async fn no_error_contains_the_token() {
    for (status, body) in [
        (500, format!("X-Auth-Token: {TOKEN}")),
        (401, format!(r#"{{"error":{{"code":401,"title":"{TOKEN}","message":"bad token {TOKEN}"}}}}"#)),
        (400, format!(r#"{{"{TOKEN}":{{"code":400,"message":"x"}}}}"#)),
        (403, format!(r#"{{"error_msg":"{TOKEN}","error_code":"{TOKEN}","request_id":"{TOKEN}"}}"#)),
        (302, TOKEN.to_owned()),
        (200, TOKEN.to_owned()),
        (200, format!(r#"{{"backups":"{TOKEN}"}}"#)),
        (200, format!(r#"{{"backups":[{{"id":"a","name":null,"links":"{TOKEN}"}}]}}"#)),
        (200, format!(r#"{{"backups":[],"backups_links":[{{"rel":"next","href":"{TOKEN}"}}]}}"#)),
    ] {
        let server = Server::start(move |_, _| {
            let headers = format!(
                "X-OpenStack-Request-Id: req-{TOKEN}\r\nOpenStack-API-Version: {TOKEN}\r\nLocation: http://127.0.0.1:1/?token={TOKEN}\r\n"
            );
            Reply::http(status, &headers, &body)
        })
        .await;
        let client = server.client();
        let mut errors = vec![client.list_backups().send().await.unwrap_err()];
        errors
            .push(client.list_backups().pages().filter_map(|page| async { page.err() }).boxed().next().await.unwrap());
        errors.push(client.list_backups().name_like("x").send().await.unwrap_err());
        for error in errors {
            let text = everything(&error);
            assert!(!text.contains(TOKEN), "{text}");
        }
        assert!(server.requests().iter().all(|request| request.headers["x-auth-token"] == TOKEN));
    }
}

#[test]
fn an_invalid_token_is_not_shown() {
    let error = Client::builder("https://host").project_id("p").token(format!("{TOKEN}\n")).build().unwrap_err();
    assert!(!everything(&error).contains(TOKEN), "{error:?}");
}

/// Some encodings escape `/` and `=`.
#[tokio::test]
async fn no_error_contains_an_escaped_token() {
    let token = "MIIFegYJKoZIhvcNAQcCoIIFazCC/abcdefghijklmnopqrstuv+0123456789ABCDEFGHIJ==";
    let part = "MIIFegYJKoZIhvcNAQcCoIIFazCC";
    let escapes = [("/", "\\/"), ("=", "\\u003d"), ("M", "\\u004d"), ("+", "%2B")];
    for escaped in escapes.map(|(character, escape)| token.replace(character, escape)) {
        for (status, body) in [
            (401, format!(r#"{{"error":{{"code":401,"title":"{escaped}","message":"bad {escaped}"}}}}"#)),
            (400, format!(r#"{{"error_msg":"{escaped}","error_code":"{escaped}","request_id":"{escaped}"}}"#)),
            (200, format!(r#"{{"backups":"{escaped}"}}"#)),
        ] {
            let server = Server::start(move |_, _| Reply::http(status, "", &body)).await;
            let client = server.builder().token(token).build().unwrap();
            let text = everything(&client.list_backups().send().await.unwrap_err());
            assert!(!text.contains(part) && !text.contains(token), "{text}");
        }
    }
}

/// The first window of 16 characters of a token that a text has, in any case, with or without escapes, blanks
/// and line breaks in it.
pub fn part_of_token(text: &str, token: &str) -> Option<String> {
    let plain = |text: &str| {
        let lines = ["\\n", "\\r", "\\t"].iter().fold(text.to_owned(), |text, escape| text.replace(escape, ""));
        lines.chars().filter(|c| !c.is_whitespace() && *c != '\\').collect::<String>().to_lowercase()
    };
    let decoded = |text: &str, start: &str, digits: usize| {
        let mut pieces = text.split(start);
        let first = pieces.next().unwrap_or_default().to_owned();
        pieces.fold(first, |decoded, piece| {
            match piece.get(..digits).and_then(|code| u32::from_str_radix(code, 16).ok()) {
                Some(code) => format!("{decoded}{}{}", char::from_u32(code).unwrap_or('?'), &piece[digits..]),
                None => format!("{decoded}{start}{piece}"),
            }
        })
    };
    let token = token.to_lowercase();
    // Also where it was escaped twice.
    let unescaped = decoded(&decoded(&text.replace("\\\\", "\\"), "\\u", 4), "%", 2);
    [text.to_lowercase(), plain(text), plain(&unescaped)].iter().find_map(|text| {
        let windows = (0..=token.len() - 16).map(|at| &token[at..at + 16]);
        windows.into_iter().find(|window| text.contains(window)).map(str::to_owned)
    })
}

const LONG_TOKEN: &str = "gAAAAABlQ7-xY_2fkZ0pVtNq8sJdUoWcHbMiEr3LyTgSaKzXvPnDeFwOuRhBj4m5C6I9G1Q8l7AQzYxWvUtSrQpOnMlKjIhGfEdCbA987654321_-zyxwvutsrqponmlkjihgfedcbaZYXWVUTSRQPONMLKJIHGFEDCBA0123456789xX";

/// The forms in which a token may come back.
fn echoes() -> Vec<String> {
    let token = LONG_TOKEN;
    let each = |escape: fn(u8) -> String| token.bytes().map(escape).collect::<String>();
    let wrapped = |end: &str| {
        let lines: Vec<_> =
            token.as_bytes().chunks(76).map(|line| String::from_utf8_lossy(line).into_owned()).collect();
        lines.join(end)
    };
    vec![
        token.to_owned(),
        token[..token.len() / 2].to_owned(),
        token[..20].to_owned(),
        token[token.len() - 16..].to_owned(),
        token[33..33 + 16].to_owned(),
        format!("{}...{}", &token[..30], &token[token.len() - 30..]),
        wrapped("\n"),
        wrapped("\r\n"),
        wrapped("\n    "),
        wrapped(" "),
        token.to_lowercase(),
        token.to_uppercase(),
        each(|byte| format!("\\u{byte:04x}")),
        each(|byte| format!("\\u{byte:04X}")),
        each(|byte| format!("\\\\u{byte:04x}")),
        each(|byte| format!("%{byte:02x}")),
        each(|byte| format!("&#{byte};")),
        each(|byte| format!("&#x{byte:02X};")),
        each(|byte| format!("{}<b></b>", byte as char)),
        token.to_lowercase().bytes().map(|byte| format!("\\u{byte:04x}")).collect(),
        // The text is cut within it.
        format!("{}{token}", "x".repeat(480)),
        format!("{}{token}", "\u{e9} ".repeat(245)),
        token.repeat(50),
    ]
}

/// Every place where a server can put a text.
fn responses(echo: &str) -> Vec<Reply> {
    // Plain, and as a JSON string: its own escapes stay.
    let quoted = json!(echo).to_string();
    let raw = format!("\"{}\"", echo.replace(['\r', '\n'], ""));
    let line = echo.replace(['\r', '\n'], " ");
    let mut replies = Vec::new();
    for status in [200, 400, 401, 500] {
        replies.push((status, echo.to_owned()));
        replies.push((status, format!("<html><p title='{echo}'>{echo}</p></html>")));
    }
    for text in [quoted, raw] {
        replies.extend([
            (401, format!(r#"{{"error":{{"code":{text},"title":{text},"message":{text}}}}}"#)),
            (404, format!(r#"{{"message":{text},"code":{text},"title":{text}}}"#)),
            (400, format!(r#"{{{text}:{{"code":400,"message":"x"}}}}"#)),
            (403, format!(r#"{{"error_msg":{text},"error_code":{text},"request_id":{text}}}"#)),
            (500, format!(r#"[{text},{{{text}:{text}}}]"#)),
            (200, format!(r#"{{"backups":{text}}}"#)),
            (200, format!(r#"{{"backups":[],"count":{text}}}"#)),
            (200, format!(r#"{{"backups":[{{"id":"a","name":null,"links":{text}}}]}}"#)),
            (200, format!(r#"{{"backups":[{{"id":"a","name":[{text}]}}]}}"#)),
            (200, format!(r#"{{"backups":[],"error":{text}}}"#)),
            (200, format!(r#"{{"backups":[],"error":{{"message":{text}}}}}"#)),
            (200, format!(r#"{{"backups":[],{text}:{{"message":{text}}}}}"#)),
            (200, format!(r#"{{"backups":[],"error":{{{text}:[{text}]}}}}"#)),
            (200, format!(r#"{{"backups":[],"backups_links":[{{"rel":"next","href":{text}}}]}}"#)),
            (200, format!(r#"{{"backups":[],"backups_links":[{{"rel":"next","href":{text},"href":{text}}}]}}"#)),
        ]);
        let link = format!("?offset={}", text.trim_matches('"'));
        replies.push((200, format!(r#"{{"backups":[],"backups_links":[{{"rel":"next","href":"{link}"}}]}}"#)));
    }
    let headers = |line: &str| {
        format!(
            "X-OpenStack-Request-Id: {line}\r\nOpenStack-API-Version: {line}\r\nLocation: http://127.0.0.1:1/?a={line}\r\nRetry-After: {line}\r\n"
        )
    };
    replies.push((302, String::new()));
    replies.into_iter().map(|(status, body)| closing(status, &headers(&line), body)).collect()
}

#[test]
fn no_part_of_an_echoed_token_is_in_an_error_or_the_trace() {
    in_own_process(|| runtime(true).block_on(echoed_tokens()));
}

async fn echoed_tokens() {
    let trace = Trace::begin();
    let mut errors = 0;
    for echo in echoes() {
        for reply in responses(&echo) {
            let server = Server::script(vec![reply.clone()]).await;
            let client = server.builder().token(LONG_TOKEN).build().unwrap();
            // A response that is valid as the first page is an error as the second.
            for error in client.list_backups().pages().filter_map(|page| async { page.err() }).collect::<Vec<_>>().await
            {
                let text = everything(&error);
                assert_eq!(part_of_token(&text, LONG_TOKEN), None, "{echo}: {text}");
                errors += 1;
            }
        }
        let trace = trace.take();
        assert!(!trace.is_empty());
        assert_eq!(part_of_token(&trace, LONG_TOKEN), None, "{echo}: in the trace");
    }
    assert!(errors > 800, "{errors}");
}

/// Checks the search that the other tests use.
#[test]
fn a_part_of_a_token_is_found() {
    for echo in echoes() {
        let html = ["<b>", "&#", "..."].iter().any(|html| echo.contains(html));
        assert!(html || part_of_token(&format!("a {echo:?} b"), LONG_TOKEN).is_some(), "{echo}");
    }
    assert_eq!(part_of_token("gAAAAABlQ7-xY_2 is 15 characters", LONG_TOKEN), None);
}

/// The marker would get into the next page's trace, and into an error's cursor.
#[test]
fn a_token_sent_back_as_a_marker_is_in_no_error_and_no_trace() {
    in_own_process(|| {
        runtime(true).block_on(async {
            let trace = Trace::begin();
            let gone = r#"{"itemNotFound":{"code":404,"message":"Backup b could not be found."}}"#;
            let server = Server::script(vec![
                closing(200, "", page(&["a"], Some(&format!("marker={LONG_TOKEN}"))).to_string()),
                closing(200, "", page(&["b"], Some("marker=b")).to_string()),
                closing(404, "", gone),
            ])
            .await;
            let client = server.builder().token(LONG_TOKEN).build().unwrap();
            let pages = client.list_backups().prefetch(false).pages();
            let errors: Vec<_> = pages.filter_map(|page| async { page.err() }).collect().await;
            assert_eq!(errors.len(), 1);
            assert_eq!(part_of_token(&everything(&errors[0]), LONG_TOKEN), None, "error");
            assert_eq!(part_of_token(&trace.take(), LONG_TOKEN), None, "trace");
        });
    });
}

/// The rest of the text would reveal what was cut, and where.
#[tokio::test]
async fn a_text_with_a_secret_is_withheld_whole() {
    let body = format!(r#"{{"error":{{"code":"a.1","title":"no","message":"bad token {TOKEN}, sorry"}}}}"#);
    let server = Server::start(move |request, _| request.reply(401, &body)).await;
    let error = server.client().list_backups().send().await.unwrap_err();
    let withheld = "(withheld: it contains a secret)";
    assert_eq!(error.to_string(), format!("the service responded 401 Unauthorized: {withheld} (request id req-1)"));
    let Error::Status { text, fault: Some(fault), .. } = &error else { panic!("{error:?}") };
    assert_eq!((text.as_str(), fault.message.as_str()), (withheld, withheld));
    assert_eq!((fault.code.as_deref(), fault.kind.as_deref()), (Some("a.1"), Some("no")));
}

/// JSON writes such a token as a number.
#[tokio::test]
async fn a_token_of_digits_that_comes_back_as_a_microversion_is_not_shown() {
    let token = "12345678";
    for headers in ["OpenStack-API-Version: volume 2.12345678\r\n", "OpenStack-API-Version: volume 12345678.1\r\n"] {
        let body = r#"{"backups":[]}"#;
        let server = Server::start(move |_, _| Reply::http(200, headers, body)).await;
        let client = server.builder().token(token).build().unwrap();
        let request = client.list_backups().microversion(Microversion::new(20_000_000, 0));
        let error = request.send().await.unwrap_err();
        assert!(matches!(error, Error::MicroversionNotHonored { .. }), "{error:?}");
        assert!(!everything(&error).contains(token), "{error:?}");
        let page = client.list_backups().send().await.unwrap();
        assert!(!format!("{page:?}").contains(token), "{page:?}");
    }
}

#[tokio::test]
async fn a_token_of_digits_that_comes_back_as_a_number_is_in_no_error() {
    for token in ["12345678901234567890", "123456789012345678901234567890123456", "90071992547409931"] {
        for body in [
            format!(r#"{{"error":{{"code":{token},"title":{token},"message":{token}}}}}"#),
            format!(r#"{{"error_msg":"no","error_code":{token},"request_id":{token}}}"#),
            format!(r#"{{"message":"no","code":{token},"title":{token}}}"#),
            format!(r#"{{"badRequest":{{"code":{token},"message":"no"}}}}"#),
        ] {
            let server = Server::start(move |_, _| Reply::http(400, "", &body)).await;
            let client = server.builder().token(token).build().unwrap();
            let text = everything(&client.list_backups().send().await.unwrap_err());
            let digits: String = text.chars().filter(char::is_ascii_digit).collect();
            assert!(!digits.contains(&token[..15]), "{token}: {text}");
        }
    }
}

#[tokio::test]
async fn the_token_before_the_present_one_is_in_no_error() {
    let old = "first-token-of-this-client";
    let server = Server::start(move |request, number| match number {
        0 => request.reply(401, "no"),
        _ => request.reply(500, format!("{old} was renewed by {}", request.headers["x-auth-token"])),
    })
    .await;
    let provider = vbs_client::token_fn(move |rejected: Option<vbs_client::Token>| async move {
        Ok::<_, std::io::Error>(if rejected.is_none() { old } else { "second-token-of-this-client" })
    });
    let client = server.builder().token_provider(provider).build().unwrap();
    let text = everything(&client.list_backups().send().await.unwrap_err());
    assert_eq!((part_of_token(&text, old), server.requests().len()), (None, 2), "{text}");
    assert!(text.contains("500") && text.contains("withheld"), "{text}");
}

#[test]
fn debug_shows_no_password_in_an_address() {
    let address = "https://user:pass-word-in-an-address@host/v3";
    let credentials = vbs_client::keystone::Credentials::password(address, "demo@example", "a").endpoint(address);
    let text = format!("{:?} {credentials:?} {credentials:#?}", Client::builder(address));
    assert!(!text.contains("pass-word") && text.contains("demo@example"), "{text}");
    let error = Client::builder(address).project_id("p").build().unwrap_err();
    assert_eq!(error.to_string(), "the endpoint has a user name or password");
}

#[test]
fn a_proxys_credentials_that_it_sends_back_are_in_no_error() {
    let proxy = "http://proxy-user:sesame%4042-of-the-proxy@127.0.0.1:9";
    in_own_process_with(
        |process| _ = process.env("http_proxy", proxy),
        || {
            runtime(false).block_on(async {
                for echo in ["sesame@42-of-the-proxy", "cHJveHktdXNlcjpzZXNhbWVANDItb2YtdGhlLXByb3h5"] {
                    // A placeholder for the proxy, whose port is known only once the process runs.
                    let server =
                        Server::start(move |_, _| Reply::http(407, "", format!("Basic {echo} is wrong").as_str()))
                            .await;
                    let error = server.client().list_backups().send().await.unwrap_err();
                    let text = everything(&error);
                    assert!(!text.contains(echo) && text.contains("407") && text.contains("withheld"), "{text}");
                }
            });
        },
    );
}
