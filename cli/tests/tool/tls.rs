//! The settings of TLS in the environment and in clouds.yaml.

use std::fs;
use std::path::Path;
use std::process::Output;

use rcgen::generate_simple_self_signed;

use crate::support::tls::TlsServer;
use crate::support::tool;

/// The tool's output with these settings in the environment or in a cloud's entry in clouds.yaml. `CERT` and `OTHER`
/// are files with the server's certificate and with another one.
async fn with_settings(server: &TlsServer, entry: Option<&str>, variables: &[(&str, &str)]) -> Result<String, String> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("tls-{}", server.address.port()));
    let other = generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap().cert.pem();
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("cert.pem"), &server.pem).unwrap();
    fs::write(folder.join("other.pem"), other).unwrap();
    let fill = |text: &str| {
        ["CERT", "OTHER"].iter().fold(text.to_owned(), |text, name| {
            text.replace(name, folder.join(name.to_lowercase() + ".pem").to_str().unwrap())
        })
    };
    let url = format!("https://{}", server.address);
    let mut command = tool();
    match entry {
        Some(entry) => {
            let auth = format!("auth: {{auth_url: '{url}', token: secret, project_id: p}}");
            let text = format!("clouds: {{tls: {{auth_type: token, {auth}, {}}}}}", fill(entry));
            fs::write(folder.join("clouds.yaml"), text).unwrap();
            command.env("OS_CLOUD", "tls").env("OS_CLIENT_CONFIG_FILE", folder.join("clouds.yaml"));
        }
        None => {
            let token = [("OS_AUTH_TYPE", "token"), ("OS_AUTH_URL", &url), ("OS_TOKEN", "secret")];
            command.envs(token).env("OS_PROJECT_ID", "p");
        }
    }
    command.envs(variables.iter().map(|(name, value)| (name, fill(value))));
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap();
    let Output { status, stdout, stderr } = output.unwrap();
    fs::remove_dir_all(folder).unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    if status.success() { Ok(text(stdout)) } else { Err(text(stderr)) }
}

#[tokio::test]
async fn cacert_verify_and_insecure_do_what_they_say() {
    let server = TlsServer::start("127.0.0.1").await;
    for (entry, variables) in [
        (Some("cacert: CERT"), &[][..]),
        (Some("cacert: CERT, verify: true"), &[]),
        (Some("verify: false"), &[]),
        (Some("insecure: true"), &[]),
        (Some("insecure: yes, cacert: OTHER"), &[]),
        // The environment fills what the entry lacks.
        (Some("verify: true"), &[("OS_CACERT", "CERT")]),
        (None, &[("OS_CACERT", "CERT")]),
        (None, &[("OS_INSECURE", "True")]),
        (None, &[("OS_INSECURE", "false"), ("OS_CACERT", "CERT")]),
    ] {
        let list = with_settings(&server, entry, variables).await;
        assert!(list.as_ref().is_ok_and(|list| list.starts_with("a ")), "{entry:?} {variables:?}: {list:?}");
    }
    for (entry, variables) in [
        (Some("verify: true"), &[][..]),
        (Some("cacert: OTHER"), &[]),
        (Some("verify: true, insecure: false"), &[]),
        // With a named cloud, this variable has no effect.
        (Some("verify: true"), &[("OS_INSECURE", "1")]),
        (None, &[]),
        (None, &[("OS_CACERT", "OTHER")]),
        (None, &[("OS_INSECURE", "0")]),
    ] {
        let error = with_settings(&server, entry, variables).await.unwrap_err();
        assert!(error.contains("invalid peer certificate: "), "{entry:?} {variables:?}: {error}");
        // The hint is printed once.
        assert!(error.matches("OS_CACERT").count() <= 1 && !error.contains("hint"), "{error}");
    }
}

/// The certificate is trusted, and is another host's.
#[tokio::test]
async fn cacert_does_not_accept_another_host() {
    let server = TlsServer::start("other.example").await;
    let error = with_settings(&server, Some("cacert: CERT"), &[]).await.unwrap_err();
    assert!(error.contains("certificate not valid for name"), "{error}");
    // Another CA would not help.
    assert!(
        error.ends_with("; hint: the certificate is that of another host: check the host in the address, not the CA\n")
    );
    assert!(!error.contains("OS_CACERT"), "{error}");
    assert!(with_settings(&server, Some("verify: false"), &[]).await.is_ok());
}
