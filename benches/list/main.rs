//! Measures the speed promises: `cargo bench`, or `cargo bench -- NAME ..` for some of the figures; `--write` writes
//! benches/README.md, or the rows of the named figures. Each figure is a ratio of two things measured in turn, in
//! processes of their own, in one run.

mod build;
mod details;
mod floor;
mod server;

use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs};

use futures::TryStreamExt;
use serde_json::json;
use server::{PROJECT_ID, cpu_time};
use vbs_client::Client;

/// Set in the processes that this one starts: their task.
const ROLE: &str = "VBS_BENCH_ROLE";

/// One figure.
pub struct Figure {
    pub what: String,
    pub value: String,
    /// Its bound.
    pub bound: &'static str,
}

fn figure(what: impl Into<String>, value: impl Into<String>, bound: &'static str) -> Figure {
    Figure { what: what.into(), value: value.into(), bound }
}

type Bench = fn() -> Vec<Figure>;

/// By name; those that run only if named need something besides this crate.
const BENCHES: &[(&str, Bench, bool)] = &[
    ("collect", collect, true),
    ("details", details, true),
    ("first", first, true),
    ("stream", stream, true),
    ("latency", latency, true),
    ("wire", wire, true),
    ("soak", soak, false),
    ("instructions", instructions, false),
    ("cinder", cinder, false),
    ("build", build::figures, false),
];

/// How to run one of them.
fn command(name: &str) -> String {
    match name {
        "cinder" | "--write" => {
            format!("CLOUD_BACKUPS=20000 CLOUD_WORKERS=2 tests/cloud/cloud.sh run cargo bench -- {name}")
        }
        name => format!("cargo bench -- {name}"),
    }
}

fn main() {
    if let Ok(role) = env::var(ROLE) {
        return child(&role.split(' ').collect::<Vec<_>>());
    }
    let (options, named): (Vec<String>, Vec<String>) =
        env::args().skip(1).partition(|argument| argument.starts_with("--"));
    if let Some(unknown) = named.iter().find(|name| !BENCHES.iter().any(|(known, ..)| known == name)) {
        let known: Vec<_> = BENCHES.iter().map(|(name, ..)| *name).collect();
        eprintln!("there is no {unknown}, only {}", known.join(", "));
        std::process::exit(2);
    }
    if options.iter().any(|option| option == "--write") {
        return write(&named);
    }
    for (name, bench, by_itself) in BENCHES {
        if named.iter().any(|given| given == name) || (named.is_empty() && *by_itself) {
            for Figure { what, value, bound } in bench() {
                println!("{what}: {value}{}", if bound.is_empty() { String::new() } else { format!(" ({bound})") });
            }
        }
    }
}

/// Runs the figures three times, and writes the table, or the rows of the named ones.
fn write(named: &[String]) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/README.md");
    let before = fs::read_to_string(path).unwrap_or_default();
    let mut table = String::new();
    for (name, bench, _) in BENCHES {
        let command = command(name);
        if !named.is_empty() && !named.iter().any(|given| given == name) {
            let rows = before.lines().filter(|line| line.ends_with(&format!("| `{command}` |")));
            rows.for_each(|row| writeln!(table, "{row}").unwrap());
            continue;
        }
        // Building takes minutes, and does not depend on the page server.
        let runs: Vec<_> = (0..if *name == "build" { 1 } else { 3 }).map(|_| bench()).collect();
        for (row, Figure { what, bound, .. }) in runs[0].iter().enumerate() {
            let values: Vec<_> = runs.iter().map(|run| run[row].value.as_str()).collect();
            writeln!(table, "| {what} | {bound} | {} | `{command}` |", values.join(", ")).unwrap();
            eprintln!("{what}: {}", values.join(", "));
        }
    }
    let cores = std::thread::available_parallelism().unwrap();
    let text = format!(
        include_str!("README.md.in"),
        all = command("--write"),
        cores = cores,
        rustc = output(Command::new("rustc").arg("--version")).trim(),
        table = table.trim_end(),
    );
    fs::write(path, text).unwrap();
}

// ------------------------------------------------------------------------------------- processes --

fn run(role: &str) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.env(ROLE, role);
    command
}

/// A process with the page server, ended when this is dropped.
struct Server {
    process: Child,
    address: String,
}

impl Server {
    fn start(rows: usize, latency: u64) -> Self {
        Self::with(&format!("server {rows} {latency}"))
    }

    fn with(role: &str) -> Self {
        let mut process = run(role).stdout(Stdio::piped()).spawn().unwrap();
        let mut address = String::new();
        BufReader::new(process.stdout.as_mut().unwrap()).read_line(&mut address).unwrap();
        Self { process, address: address.trim().to_owned() }
    }

    /// The CPU time it has used, and how many bytes it has sent.
    fn stats(&self) -> (Duration, u64) {
        let response = output(&mut run(&format!("get {}/stats", self.address)));
        let (cpu, bytes) = response.trim().split_once(' ').unwrap();
        (Duration::from_nanos(cpu.parse().unwrap()), bytes.parse().unwrap())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

fn output(command: &mut Command) -> String {
    let output = command.stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

/// The report of a process about its listing.
#[derive(Clone, Copy)]
struct Listing {
    wall: f64,
    cpu: f64,
    /// The most memory that the process has had, in KiB.
    peak: f64,
    rows: usize,
    /// The memory at the end, in KiB.
    end: f64,
}

fn listing(role: &str) -> Listing {
    report(&mut run(role))
}

fn report(command: &mut Command) -> Listing {
    let report = output(command);
    let mut numbers = report.split_whitespace().map(|number| number.parse::<f64>().unwrap());
    let mut number = || numbers.next().unwrap();
    Listing { wall: number(), cpu: number(), peak: number(), rows: number() as usize, end: number() }
}

/// Runs both in turn `times` times, after one warm-up.
fn pairs(times: usize, a: &str, b: &str) -> Vec<(Listing, Listing)> {
    let pair = |turn| match turn % 2 {
        0 => (listing(a), listing(b)),
        _ => {
            let b = listing(b);
            (listing(a), b)
        }
    };
    (0..=times).map(pair).skip(1).inspect(|(a, b)| assert!(a.rows > 0 && a.rows == b.rows)).collect()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The median of the ratios, pair by pair.
fn ratio(pairs: &[(Listing, Listing)], of: fn(&Listing) -> f64) -> f64 {
    median(pairs.iter().map(|(a, b)| of(a) / of(b)).collect())
}

/// `VmHWM`, the peak memory of this process, or `VmRSS`, its current memory.
fn memory(field: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':')).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// The task of a process that this one starts.
fn child(role: &[&str]) {
    let number = |text: &str| text.parse::<usize>().unwrap();
    match *role {
        ["server", rows, latency] => one_thread().block_on(server::serve(number(rows), number(latency) as u64, false)),
        ["faulty-server", rows] => one_thread().block_on(server::serve(number(rows), 0, true)),
        ["get", address] => {
            print!("{}", one_thread().block_on(async { reqwest::get(address).await.unwrap().text().await.unwrap() }))
        }
        ["token", keystone, password] => println!("{}", one_thread().block_on(token(keystone, password))),
        [who, threads, address, limit, concurrency, offset, token] => {
            let runtime = match threads {
                "1" => one_thread(),
                _ => tokio::runtime::Runtime::new().unwrap(),
            };
            runtime.block_on(measure(who, address, number(limit), number(concurrency), number(offset), token));
        }
        _ => panic!("{role:?}"),
    }
}

fn one_thread() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

async fn measure(who: &str, address: &str, limit: usize, concurrency: usize, offset: usize, token: &str) {
    let (address, project_id) = address.split_once('|').unwrap_or((address, PROJECT_ID));
    let gzip = who == "gzip";
    let http = reqwest::Client::builder().gzip(gzip).build().unwrap();
    let client =
        Client::builder(address).project_id(project_id).token(token).http(|http| http.gzip(gzip)).build().unwrap();
    let request = client
        .list_backups()
        .limit(limit as u32)
        .offset(offset as u32)
        .concurrency(concurrency.max(1))
        .prefetch(concurrency > 0);
    let skipped = if offset > 0 { format!("&offset={offset}") } else { String::new() };
    let url = format!("{address}/v3/{project_id}/backups?limit={limit}{skipped}");

    let mut random = fastrand::Rng::with_seed(server::SEED);
    if who == "soak" {
        (0..offset).for_each(|_| drop(server::id(&mut random)));
    }
    let (start, used) = (Instant::now(), cpu_time());
    let stop = || (start.elapsed(), cpu_time() - used);
    let ((wall, cpu), rows) = match who {
        "floor" => {
            let rows: Vec<floor::Backup> = floor::list(&http, &url, token).await.unwrap();
            (
                stop(),
                rows.iter()
                    .filter(|row| !row.id.is_empty() && row.name.as_deref() != Some("") && linked(&row.links))
                    .count(),
            )
        }
        "client" | "gzip" => {
            let rows: Vec<_> = request.items().try_collect().await.unwrap();
            (stop(), rows.iter().filter(|row| row.links.len() == 2).count())
        }
        "details-floor" => {
            let url = url.replace("/backups?", "/backups/detail?");
            let rows: Vec<details::Backup> = floor::list(&http, &url, token).await.unwrap();
            (stop(), rows.iter().filter(|row| row.size > 0 && linked(&row.links)).count())
        }
        "details" => {
            let request = client.list_backups_detail().limit(limit as u32).concurrency(concurrency);
            let rows: Vec<_> = request.items().try_collect().await.unwrap();
            (stop(), rows.iter().filter(|row| row.size > 0 && row.links.len() == 2).count())
        }
        "first" => {
            let mut items = request.items();
            items.try_next().await.unwrap().unwrap();
            (stop(), 1)
        }
        "stream" => {
            let rows = request.items().try_fold(0, |rows, _| async move { Ok(rows + 1) }).await.unwrap();
            (stop(), rows)
        }
        "soak" => {
            let (mut items, mut rows) = (request.items(), 0);
            while let Some(backup) = items.try_next().await.unwrap() {
                assert_eq!(backup.id, server::id(&mut random), "row {rows}");
                rows += 1;
            }
            (stop(), rows)
        }
        "drain" => {
            let rows = drain(&http, url, limit, token).await;
            (stop(), rows)
        }
        _ => panic!("{who}"),
    };
    println!("{} {} {} {rows} {}", wall.as_secs_f64(), cpu.as_secs_f64(), memory("VmHWM"), memory("VmRSS"));
}

fn linked(links: &[floor::Link]) -> bool {
    links.len() == 2 && links.iter().all(|link| !link.href.is_empty() && !link.rel.is_empty())
}

/// A token of Keystone's.
async fn token(keystone: &str, password: &str) -> String {
    let user = json!({"name": "demo", "domain": {"id": "default"}, "password": password});
    let scope = json!({"project": {"name": "demo", "domain": {"id": "default"}}});
    let auth = json!({"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}});
    let response = reqwest::Client::new().post(format!("{keystone}/auth/tokens")).json(&auth).send().await.unwrap();
    response.headers()["x-subject-token"].to_str().unwrap().to_owned()
}

/// The same requests without decoding the responses: the lower bound of any client.
async fn drain(http: &reqwest::Client, url: String, limit: usize, token: &str) -> usize {
    let (mut rows, mut marker) = (0, String::new());
    loop {
        let response = http.get(format!("{url}{marker}")).header("X-Auth-Token", token).send().await.unwrap();
        let body = response.bytes().await.unwrap();
        let end = String::from_utf8_lossy(&body[body.len().saturating_sub(200)..]);
        match end.rfind("&marker=") {
            None => return rows,
            Some(at) => end[at..].trim_end_matches("\"}]}").clone_into(&mut marker),
        }
        rows += limit;
    }
}

// --------------------------------------------------------------------------------------- figures --

const ROWS: usize = 100_000;
const PAGE: usize = 1000;

fn collect() -> Vec<Figure> {
    let server = Server::start(ROWS, 0);
    let address = &server.address;
    let mut figures = Vec::new();
    for (threads, concurrency, runtime) in [
        ("2", 1, "tokio's default runtime"),
        ("1", 1, "a current-thread runtime"),
        ("2", 0, "tokio's default runtime, prefetch off"),
    ] {
        let floor = format!("floor {threads} {address} {PAGE} 1 0 token");
        let client = format!("client {threads} {address} {PAGE} {concurrency} 0 token");
        let pairs = pairs(31, &client, &floor);
        for (what, of, bound) in [
            ("wall time", (|listing| listing.wall) as fn(&Listing) -> f64, "≤ 1.05"),
            ("CPU time", |listing| listing.cpu, "≤ 1.10"),
            ("peak memory", |listing| listing.peak, "≤ 1.05"),
        ] {
            let what = format!("100,000 backups collected, {runtime}: {what}, of the floor's");
            figures.push(figure(what, format!("{:.2}", ratio(&pairs, of)), if concurrency == 0 { "" } else { bound }));
        }
    }
    let (before, _) = server.stats();
    let drain = format!("drain 1 {address} {PAGE} 1 0 token");
    let floor = format!("floor 1 {address} {PAGE} 1 0 token");
    let pairs = pairs(7, &drain, &floor);
    let used = (server.stats().0 - before).as_secs_f64() / 16.0;
    let wall = median(pairs.iter().map(|(_, floor)| floor.wall).collect());
    let drained = format!("{:.2}", ratio(&pairs, |listing| listing.wall));
    figures.push(figure("the same responses read and not decoded: wall time, of the floor's", drained, ""));
    figures.push(figure("the page server's CPU time, of the floor's wall time", format!("{:.2}", used / wall), ""));
    figures
}

fn details() -> Vec<Figure> {
    let server = Server::start(20_000, 0);
    let role = |who: &str| format!("{who} 1 {} {PAGE} 1 0 token", server.address);
    let pairs = pairs(31, &role("details"), &role("details-floor"));
    let kinds = [
        ("wall time", (|listing| listing.wall) as fn(&Listing) -> f64),
        ("CPU time", |listing| listing.cpu),
        ("peak memory", |listing| listing.peak),
    ];
    kinds
        .map(|(what, of)| {
            let what =
                format!("20,000 backups with details collected, a current-thread runtime: {what}, of the floor's");
            figure(what, format!("{:.2}", ratio(&pairs, of)), "")
        })
        .into()
}

fn first() -> Vec<Figure> {
    let server = Server::start(ROWS, 0);
    let role = |offset: usize| format!("first 2 {} {PAGE} 1 {offset} token", server.address);
    let pairs = pairs(61, &role(0), &role(ROWS - PAGE));
    let value = format!("{:.2}", ratio(&pairs, |listing| listing.wall));
    vec![figure("time to the first of 100,000 backups, of that to the first of the last 1,000", value, "about 1")]
}

fn stream() -> Vec<Figure> {
    let server = Server::start(ROWS, 0);
    let role =
        |concurrency: usize, offset: usize| format!("stream 2 {} 100 {concurrency} {offset} token", server.address);
    let mut figures = Vec::new();
    for concurrency in [1, 8] {
        let peaks = (0..9).map(|_| listing(&role(concurrency, 0)).peak / listing(&role(concurrency, ROWS - 1000)).peak);
        let what = format!("peak memory of 1,000 pages streamed, of that of 10 pages, concurrency {concurrency}");
        figures.push(figure(what, format!("{:.2}", median(peaks.collect())), "about 1"));
    }
    figures
}

fn latency() -> Vec<Figure> {
    let server = Server::start(20_000, 50);
    let client = |concurrency: usize| format!("client 2 {} {PAGE} {concurrency} 0 token", server.address);
    let floor = format!("floor 2 {} {PAGE} 1 0 token", server.address);
    let faster = |times, concurrency| 1.0 / ratio(&pairs(times, &client(concurrency), &floor), |listing| listing.wall);
    vec![
        figure(
            "20,000 backups, 50 ms a page, concurrency 8: times as fast as the floor",
            format!("{:.2}", faster(7, 8)),
            "≥ 5",
        ),
        figure("the same, concurrency 1: times as fast as the floor", format!("{:.2}", faster(15, 1)), "≥ 1.00"),
    ]
}

fn wire() -> Vec<Figure> {
    let server = Server::start(ROWS, 0);
    let sent = |who: &str| {
        let before = server.stats().1;
        listing(&format!("{who} 2 {} {PAGE} 1 0 token", server.address));
        server.stats().1 - before
    };
    let (plain, packed) = (sent("client") as f64, sent("gzip") as f64);
    vec![
        figure("bytes on the wire per backup", format!("{:.0}", plain / ROWS as f64), ""),
        figure("the same with `gzip`", format!("{:.0}", packed / ROWS as f64), ""),
    ]
}

/// A million backups, each of which has to be the next one; and with a fault in one page of a hundred.
fn soak() -> Vec<Figure> {
    const MANY: usize = 1_000_000;
    /// With these, glibc keeps little of what was freed: the memory is what the listing has.
    const FRUGAL: &[(&str, &str)] = &[("MALLOC_ARENA_MAX", "1"), ("MALLOC_MMAP_THRESHOLD_", "131072")];
    struct Turn {
        ten_pages: Listing,
        whole: Listing,
        faulty: Listing,
        default_ten_pages: Listing,
        default_tenths: [Listing; 10],
        default_whole: Listing,
    }
    type Ratio = fn(&Turn) -> f64;
    let (server, faulty) = (Server::start(MANY, 0), Server::with(&format!("faulty-server {MANY}")));
    let mut figures = Vec::new();
    for concurrency in [1, 8] {
        let soak = |server: &Server, rows: usize, env: &[(&str, &str)]| {
            let role = format!("soak 2 {} {PAGE} {concurrency} {} token", server.address, MANY - rows);
            let listing = report(run(&role).envs(env.iter().copied()));
            assert_eq!(listing.rows, rows);
            listing
        };
        let turn = || Turn {
            ten_pages: soak(&server, 10 * PAGE, FRUGAL),
            whole: soak(&server, MANY, FRUGAL),
            faulty: soak(&faulty, MANY, FRUGAL),
            default_ten_pages: soak(&server, 10 * PAGE, &[]),
            default_tenths: [(); 10].map(|()| soak(&server, MANY / 10, &[])),
            default_whole: soak(&server, MANY, &[]),
        };
        let turns: Vec<_> = (0..7).map(|_| turn()).collect();
        let ratios: [(_, Ratio, _); 5] = [
            ("peak memory, of that of 10 pages", |turn| turn.whole.peak / turn.ten_pages.peak, "≤ 1.2"),
            ("memory at the end, of the peak of 10 pages", |turn| turn.whole.end / turn.ten_pages.peak, "≤ 1.2"),
            (
                "peak memory with 1 % of the pages faulty, of that of 10 pages",
                |turn| turn.faulty.peak / turn.ten_pages.peak,
                "≤ 1.2",
            ),
            (
                "the first with glibc's default settings",
                |turn| turn.default_whole.peak / turn.default_ten_pages.peak,
                "",
            ),
            (
                "wall time, of that of 100,000",
                |turn| turn.default_whole.wall / turn.default_tenths.iter().map(|tenth| tenth.wall / 10.0).sum::<f64>(),
                "9 to 11",
            ),
        ];
        for (what, ratio, bound) in ratios {
            let what = format!("1,000,000 backups streamed, concurrency {concurrency}: {what}");
            figures.push(figure(what, format!("{:.2}", median(turns.iter().map(ratio).collect())), bound));
        }
    }
    figures
}

/// Instructions hardly vary between runs: those per row are the difference between a long listing and a short one.
fn instructions() -> Vec<Figure> {
    let server = Server::start(20_000, 0);
    let count = |who: &str, offset: usize| {
        let mut command = Command::new("valgrind");
        command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(env::current_exe().unwrap());
        command.env(ROLE, format!("{who} 1 {} {PAGE} 1 {offset} token", server.address));
        let output = command.output().expect("valgrind, to count instructions");
        let report = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{report}");
        let line = report.lines().find_map(|line| line.split_once("Collected : ")).unwrap();
        line.1.trim().parse::<f64>().unwrap()
    };
    let per_row = |who: &str| (count(who, 0) - count(who, 10_000)) / 10_000.0;
    let (client, floor) = (per_row("client"), per_row("floor"));
    vec![
        figure("instructions per backup", format!("{client:.0}"), ""),
        figure("instructions per backup, of the floor's", format!("{:.2}", client / floor), ""),
    ]
}

fn cinder() -> Vec<Figure> {
    let var = |name| env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run `{}`", command("cinder")));
    let token = output(&mut run(&format!("token {} {}", var("OS_AUTH_URL"), var("OS_PASSWORD"))));
    let address = format!("{}|{}", var("VBS_ENDPOINT"), var("OS_PROJECT_ID"));
    let role = |who: &str, concurrency: usize| format!("{who} 2 {address} {PAGE} {concurrency} 0 {}", token.trim());
    let one = pairs(5, &role("client", 4), &role("client", 1));
    assert_eq!(one[0].0.rows, 20_000);
    let floor = pairs(5, &role("client", 1), &role("floor", 1));
    vec![
        figure(
            "a real Cinder with 2 workers, 20,000 backups, concurrency 4: wall time, of that of concurrency 1",
            format!("{:.2}", ratio(&one, |listing| listing.wall)),
            "",
        ),
        figure(
            "the same, concurrency 1: wall time, of the floor's",
            format!("{:.2}", ratio(&floor, |listing| listing.wall)),
            "",
        ),
    ]
}
