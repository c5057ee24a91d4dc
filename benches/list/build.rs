//! The cost of a build: a program that lists backups by this crate, by hand, and by this crate without the generator,
//! each built from scratch.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use crate::{Figure, figure};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The cost of a build.
struct Cost {
    wall: f64,
    cpu: f64,
    crates: usize,
}

pub fn figures() -> Vec<Figure> {
    let main =
        "fn main() { drop(vbs_client::Client::builder(\"\").build().map(|client| client.list_backups().items())); }";
    let with_crate = |name: &str, path: &Path| {
        let dependencies = format!(
            "vbs-client = {{ path = {path:?} }}\ntokio = {{ version = \"1\", features = [\"rt-multi-thread\"] }}"
        );
        cost(&program(name, &dependencies, main))
    };
    let client = with_crate("client", Path::new(ROOT));
    let without_generator = with_crate("without-generator-user", &without_generator());
    let floor = cost(&program(
        "floor",
        "reqwest = { version = \"0.13\", default-features = false, features = [\"json\", \"rustls\"] }\n\
         serde = { version = \"1\", features = [\"derive\"] }\n\
         tokio = { version = \"1\", features = [\"rt-multi-thread\"] }",
        &format!(
            "#[path = {:?}]\nmod floor;\nfn main() {{ let _ = floor::list::<floor::Backup>(&reqwest::Client::new(), \"\", \"\"); }}",
            format!("{ROOT}/benches/list/floor.rs")
        ),
    ));
    let mut figures = Vec::new();
    for (than, other) in [("the floor's", &floor), ("that without the generator", &without_generator)] {
        let ratio = |of: fn(&Cost) -> f64| format!("{:.2}", of(&client) / of(other));
        figures.push(figure(format!("a program's cold build, CPU time, of {than}"), ratio(|cost| cost.cpu), ""));
        figures.push(figure(format!("the same, wall time on 2 cores, of {than}"), ratio(|cost| cost.wall), ""));
    }
    let crates = format!("{} / {} / {}", client.crates, without_generator.crates, floor.crates);
    figures.push(figure("crates it is built from: with this one / without the generator / the floor's", crates, ""));
    figures
}

/// A new directory with a package of one program, with the versions of this crate's own lock file.
fn program(name: &str, dependencies: &str, main: &str) -> PathBuf {
    let root = directory(name);
    fs::create_dir(root.join("src")).unwrap();
    fs::write(root.join("src/main.rs"), main).unwrap();
    let manifest =
        format!("[package]\nname = \"{name}\"\nedition = \"2024\"\n[workspace]\n[dependencies]\n{dependencies}\n");
    fs::write(root.join("Cargo.toml"), manifest).unwrap();
    fs::copy(format!("{ROOT}/Cargo.lock"), root.join("Cargo.lock")).unwrap();
    root
}

/// This crate, with its generated code in place of the generator.
fn without_generator() -> PathBuf {
    let root = directory("without-generator");
    let manifest = fs::read_to_string(format!("{ROOT}/Cargo.toml")).unwrap();
    let (manifest, _) = manifest.split_once("[build-dependencies]").unwrap();
    let (before, targets) = manifest.split_once("[[bench]]").unwrap();
    let (_, after) = targets.split_once("[lints.rust]").unwrap();
    fs::write(root.join("Cargo.toml"), format!("{before}[lints.rust]{after}[workspace]\n")).unwrap();
    run(Command::new("cp")
        .args(["-r", &format!("{ROOT}/src"), &format!("{ROOT}/README.md"), &format!("{ROOT}/docs")])
        .arg(&root));
    let builds = fs::read_dir(directory_of("client").join("target/debug/build")).unwrap();
    let generated = builds.map(|build| build.unwrap().path().join("out/generated.rs")).find(|path| path.exists());
    fs::copy(generated.unwrap(), root.join("generated.rs")).unwrap();
    let build = "fn main() { std::fs::copy(\"generated.rs\", std::env::var(\"OUT_DIR\").unwrap() + \"/generated.rs\").unwrap(); }";
    fs::write(root.join("build.rs"), build).unwrap();
    root
}

fn directory_of(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("build").join(name)
}

fn directory(name: &str) -> PathBuf {
    let root = directory_of(name);
    if root.exists() {
        fs::remove_dir_all(&root).unwrap();
    }
    fs::create_dir_all(&root).unwrap();
    root
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{command:?}: {stderr}");
    String::from_utf8(output.stdout).unwrap() + &stderr
}

fn cost(root: &Path) -> Cost {
    let cargo = env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let cargo = |arguments: &str| {
        let mut bash = Command::new("bash");
        // Without the settings of the build of this program.
        for (name, _) in env::vars().filter(|(name, _)| name.starts_with("CARGO_") && name != "CARGO_HOME") {
            bash.env_remove(name);
        }
        bash.current_dir(root).arg("-c").arg(format!("TIMEFORMAT='%R %U %S'; time {cargo} {arguments}"));
        run(&mut bash)
    };
    cargo("fetch --quiet");
    let tree = cargo("tree --quiet --edges normal,build --prefix none --format {p}");
    let mut crates: Vec<_> =
        tree.lines().map(|line| line.trim_end_matches(" (*)")).filter(|line| line.contains(" v")).collect();
    crates.sort_unstable();
    crates.dedup();
    let output = cargo("build --quiet --target-dir target");
    let numbers: Vec<f64> = output.lines().last().unwrap().split(' ').map(|number| number.parse().unwrap()).collect();
    Cost { wall: numbers[0], cpu: numbers[1] + numbers[2], crates: crates.len() - 1 }
}
