//! Every schedule of changes to a list during a listing: the list is right, or there is an error.
//!
//! The pager is the real one; the service is `mock::respond`, called in place of a connection. Before each response the
//! tests choose a change of the list: each run of a listing is one path through a tree of choices, and all paths are
//! taken. If two paths have the same responses and the same list, the rest is the same and runs once.
//!
//! `SCHEDULES=all` runs the whole tree; the default is a part that takes less than a minute. `CONTRIBUTING.md` has the
//! command.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::mock;
use crate::transport::{Row, in_process};
use crate::{Backup, BackupDetail, Client, Error, ListBackups, RetryPolicy};

/// Whether to run the whole.
fn all() -> bool {
    std::env::var("SCHEDULES").is_ok_and(|value| value == "all")
}

/// How a list is listed.
#[derive(Clone, Copy, Debug)]
struct Config {
    rows: usize,
    limit: u32,
    concurrency: usize,
    prefetch: bool,
    /// Whether every other response takes longer, so that later pages are read before earlier ones.
    reordered: bool,
}

#[derive(Clone, Debug, PartialEq)]
enum Change {
    Nothing,
    InsertNewest,
    /// Inserts a row with a time just after that of the row at this place.
    InsertOlder(usize),
    Delete(usize),
    /// The row at this place leaves the filter, or comes back.
    Toggle(usize),
}

/// The rows of the service, and which of them have existed and matched the filter throughout.
#[derive(Clone)]
struct World {
    rows: Vec<(String, bool)>,
    stayed: HashSet<String>,
    deleted: HashSet<String>,
    inserted: usize,
}

impl World {
    fn new(rows: usize) -> Self {
        let rows: Vec<_> = (0..rows).map(|row| (format!("r{row}"), true)).collect();
        let stayed = rows.iter().map(|(id, _)| id.clone()).collect();
        Self { rows, stayed, deleted: HashSet::new(), inserted: 0 }
    }

    /// Inserted rows are not changed again: nothing is promised of them.
    fn changes(&self) -> Vec<Change> {
        let mut changes = vec![Change::Nothing, Change::InsertNewest];
        for (place, (id, _)) in self.rows.iter().enumerate().filter(|(_, (id, _))| id.starts_with('r')) {
            if place > 0 {
                changes.push(Change::InsertOlder(place));
            }
            changes.extend([Change::Delete(place), Change::Toggle(place)]);
            debug_assert!(!self.deleted.contains(id));
        }
        changes
    }

    fn insert(&mut self, place: usize) {
        self.rows.insert(place, (format!("n{}", self.inserted), true));
        self.inserted += 1;
    }

    fn delete(&mut self, place: usize) {
        let (id, _) = self.rows.remove(place);
        self.stayed.remove(&id);
        self.deleted.insert(id);
    }

    fn apply(&mut self, change: &Change) {
        match *change {
            Change::Nothing => {}
            Change::InsertNewest => self.insert(0),
            Change::InsertOlder(place) => self.insert(place),
            Change::Delete(place) => self.delete(place),
            Change::Toggle(place) => {
                let (id, fits) = &mut self.rows[place];
                *fits = !*fits;
                self.stayed.remove(id);
            }
        }
    }

    fn respond(&self, request: &reqwest::Request) -> (u16, String) {
        let status = |fits: &bool| if *fits { "available" } else { "restoring" };
        let rows: Vec<_> = self.rows.iter().map(|(id, fits)| mock::Row::new(id).status(status(fits))).collect();
        let (path, query) = (request.url().path(), request.url().query().unwrap_or_default());
        let response = mock::respond(&rows, &mock::Settings::default(), path, query, None);
        (response.status, response.body.to_string())
    }
}

/// A choice of a run.
struct Choice {
    state: u64,
    /// The changes to try; the last one is being tried.
    changes: Vec<Change>,
}

/// One run of a listing.
struct Run {
    world: World,
    choices: Vec<Choice>,
    /// The number of choices that this run has made.
    chosen: usize,
    changes_left: usize,
    /// All requests and responses.
    history: DefaultHasher,
    seen: HashSet<u64>,
    /// The rest of this run was run before.
    is_known: bool,
    /// The mock's response with these rows to this query: it takes most of the time.
    responses: HashMap<u64, (u16, String)>,
}

impl Run {
    fn respond(&mut self, request: &reqwest::Request) -> (u16, String) {
        if !self.is_known {
            self.change();
        }
        if self.is_known {
            return (403, String::new());
        }
        let mut key = DefaultHasher::new();
        (&self.world.rows, request.url().query()).hash(&mut key);
        let response = self.responses.entry(key.finish()).or_insert_with(|| self.world.respond(request));
        (request.url().query(), &*response).hash(&mut self.history);
        response.clone()
    }

    /// Makes the change before the next response.
    fn change(&mut self) {
        let state = self.state(&self.world, self.changes_left);
        if self.chosen == self.choices.len() {
            self.is_known = !self.seen.insert(state);
            if self.is_known || self.changes_left == 0 {
                return;
            }
            let mut changes = self.world.changes();
            changes.retain(|change| *change == Change::Nothing || !self.seen.contains(&self.state_after(change)));
            self.choices.push(Choice { state, changes });
        }
        let choice = &self.choices[self.chosen];
        assert_eq!(choice.state, state, "a run is not the same every time");
        self.chosen += 1;
        let change = choice.changes.last().unwrap();
        self.changes_left -= usize::from(*change != Change::Nothing);
        self.world.apply(change);
    }

    /// Where the run is before a response. With the same state, the rest is the same.
    fn state(&self, world: &World, changes_left: usize) -> u64 {
        let mut state = self.history.clone();
        let stayed = world.rows.iter().map(|(id, fits)| (id, fits, world.stayed.contains(id)));
        (stayed.collect::<Vec<_>>(), changes_left).hash(&mut state);
        state.finish()
    }

    /// A run that was in this state could still make a change, or none: then it went on as this one would.
    fn state_after(&self, change: &Change) -> u64 {
        let mut world = self.world.clone();
        world.apply(change);
        self.state(&world, self.changes_left - 1)
    }

    /// Goes on to the next run, if there is one.
    fn advance(&mut self) -> bool {
        while let Some(choice) = self.choices.last_mut() {
            choice.changes.pop();
            if !choice.changes.is_empty() {
                return true;
            }
            self.choices.pop();
        }
        false
    }

    /// The changes of this run.
    fn made(&self) -> Vec<&Change> {
        self.choices.iter().filter_map(|choice| choice.changes.last()).collect()
    }
}

/// Makes a request for a list of one of the two kinds.
trait Listed: Row {
    fn request(client: &Client) -> ListBackups<Self>;
}

impl Listed for Backup {
    fn request(client: &Client) -> ListBackups {
        client.list_backups()
    }
}

impl Listed for BackupDetail {
    fn request(client: &Client) -> ListBackups<Self> {
        client.list_backups_detail()
    }
}

fn client() -> Client {
    let builder = Client::builder("http://192.0.2.1").project_id(mock::PROJECT_ID).token("token");
    let builder = builder.retry(RetryPolicy::none()).http(|http| {
        // Does not read the platform's certificates each time.
        #[cfg(feature = "rustls")]
        let http = http.tls_certs_only([]);
        http.no_proxy()
    });
    builder.build().unwrap()
}

/// The pages of a listing, and the error that ended it.
fn list<T: Listed>(client: &Client, config: &Config) -> (Vec<Vec<String>>, Option<Error>) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    in_process::reorder(config.reordered);
    let request = T::request(client).status("available").limit(config.limit);
    let mut pages = request.concurrency(config.concurrency).prefetch(config.prefetch).pages();
    let mut listed = Vec::new();
    runtime.block_on(async {
        loop {
            match pages.try_next().await {
                Ok(Some(page)) => listed.push(page.into_iter().map(|row| row.id().to_owned()).collect()),
                Ok(None) => return (listed, None),
                Err(error) => return (listed, Some(error)),
            }
        }
    })
}

/// Checks the listing of a list that had `config.rows` rows at first. The error states what is wrong.
fn check(world: &World, config: &Config, pages: &[Vec<String>], error: Option<&Error>) -> Result<(), String> {
    let listed: Vec<&String> = pages.iter().flatten().collect();
    if listed.iter().collect::<HashSet<_>>().len() < listed.len() {
        return Err("a row came twice".to_owned());
    }
    let of_them: Vec<_> = listed.into_iter().filter(|id| world.stayed.contains(*id)).collect();
    let all: Vec<_> = (0..config.rows).map(|row| format!("r{row}")).collect();
    let stayed: Vec<_> = all.iter().filter(|id| world.stayed.contains(*id)).collect();
    let Some(error) = error else {
        return if of_them == stayed { Ok(()) } else { Err("not all rows that stayed, in order".to_owned()) };
    };
    // Every row of small pages is tried.
    let last_two = || pages.iter().filter(|page| !page.is_empty()).rev().take(2).flatten();
    if !error.to_string().contains("the marker's backup was deleted") {
        Err("another error".to_owned())
    } else if !stayed.starts_with(&of_them) {
        Err("not a start of what stayed".to_owned())
    } else if config.limit <= 12 && last_two().any(|id| !world.deleted.contains(id)) {
        Err("the listing could have continued".to_owned())
    } else {
        Ok(())
    }
}

/// Runs every schedule of at most `changes` changes. Returns the number of runs.
fn explore<T: Listed>(client: &Client, config: &Config, changes: usize) -> usize {
    let run = Run {
        world: World::new(config.rows),
        choices: Vec::new(),
        chosen: 0,
        changes_left: changes,
        history: DefaultHasher::new(),
        seen: HashSet::new(),
        is_known: false,
        responses: HashMap::new(),
    };
    let run = Arc::new(Mutex::new(run));
    let service = Arc::clone(&run);
    in_process::serve(move |request| service.lock().unwrap().respond(request));
    let mut runs = 0;
    loop {
        let (pages, error) = list::<T>(client, config);
        runs += 1;
        let mut run = run.lock().unwrap();
        if !run.is_known {
            let wrong = check(&run.world, config, &pages, error.as_ref());
            assert_eq!(wrong, Ok(()), "{config:?}, {:?}: {pages:?}, {error:?}", run.made());
        }
        if !run.advance() {
            return runs;
        }
        run.world = World::new(config.rows);
        (run.chosen, run.changes_left, run.is_known) = (0, changes, false);
        run.history = DefaultHasher::new();
    }
}

/// The part leaves out a concurrency of 4: with 3, all pages of a list of 4 rows are in flight.
fn configs(rows: impl IntoIterator<Item = usize>) -> Vec<Config> {
    let mut configs = Vec::new();
    for rows in rows {
        for limit in 1..=3 {
            for (concurrency, prefetch, reordered) in [
                (1, false, false),
                (1, true, false),
                (2, true, false),
                (2, true, true),
                (3, true, false),
                (3, true, true),
                (4, true, false),
                (4, true, true),
            ] {
                // Pages of one row are not read ahead.
                let differs = limit > 1 || concurrency <= 2 && !reordered;
                if differs && (concurrency < 4 || all()) {
                    configs.push(Config { rows, limit, concurrency, prefetch, reordered });
                }
            }
        }
    }
    configs
}

/// Runs the jobs on all processors.
fn in_parallel<J: Send>(jobs: Vec<J>, job: impl Fn(&Client, J) -> usize + Sync) -> usize {
    let jobs = Mutex::new(jobs.into_iter());
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        let work = || {
            let (client, mut runs) = (client(), 0);
            loop {
                let next = jobs.lock().unwrap().next();
                let Some(next) = next else { return runs };
                runs += job(&client, next);
            }
        };
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    })
}

#[test]
fn every_schedule_of_changes_yields_a_right_list() {
    let (rows, changes) = if all() { (3..=6, 4) } else { (3..=4, 2) };
    let runs = in_parallel(configs(rows), |client, config| {
        let mut runs = explore::<Backup>(client, &config, changes);
        // Both lists have the same pager: the part runs the second one at one concurrency only.
        if all() || config.concurrency == 2 {
            runs += explore::<BackupDetail>(client, &config, changes);
        }
        println!("{config:?}: {runs} runs");
        runs
    });
    println!("{runs} runs");
}

/// A clean-up job deletes all listed rows except some, while rows among them come back.
#[derive(Clone, Debug)]
struct CleanUp {
    config: Config,
    /// After this page.
    page: usize,
    survivors: Vec<usize>,
    /// This many rows that did not fit the filter before, just after this one.
    restored: Option<(usize, usize)>,
}

impl CleanUp {
    fn run<T: Listed>(&self, client: &Client) {
        let mut world = World::new(self.config.rows);
        if let Some((place, number)) = self.restored {
            for _ in 0..number {
                world.insert(place + 1);
                world.rows[place + 1].1 = false;
            }
        }
        let world = Arc::new(Mutex::new(world));
        let (shared, clean_up) = (Arc::clone(&world), self.clone());
        let mut responses = 0;
        in_process::serve(move |request| {
            let mut world = shared.lock().unwrap();
            if responses == clean_up.page {
                let listed = clean_up.config.rows.min(clean_up.page * clean_up.config.limit as usize);
                for row in (0..listed).filter(|row| !clean_up.survivors.contains(row)) {
                    let place = world.rows.iter().position(|(id, _)| *id == format!("r{row}")).unwrap();
                    world.delete(place);
                }
                world.rows.iter_mut().for_each(|(_, fits)| *fits = true);
            }
            responses += 1;
            world.respond(request)
        });
        let (pages, error) = list::<T>(client, &self.config);
        let wrong = check(&world.lock().unwrap(), &self.config, &pages, error.as_ref());
        assert_eq!(wrong, Ok(()), "{self:?}: {pages:?}, {error:?}");
    }
}

/// All sets of at most `at_most` of the numbers below `of`.
fn subsets(of: usize, at_most: usize) -> Vec<Vec<usize>> {
    let mut subsets = vec![vec![]];
    let mut from = 0;
    for _ in 0..at_most {
        let end = subsets.len();
        for at in from..end {
            let next = subsets[at].last().map_or(0, |last| last + 1);
            for number in next..of {
                subsets.push([&subsets[at][..], &[number]].concat());
            }
        }
        from = end;
    }
    subsets
}

#[test]
fn every_clean_up_yields_a_right_list() {
    let limit = 14;
    let mut jobs = Vec::new();
    // Two pages, and three of four.
    for (rows, at_most) in if all() { [(20, 4), (46, 4)] } else { [(20, 1), (46, 1)] } {
        for (concurrency, prefetch) in [(1, false), (1, true), (2, true), (4, true)] {
            for page in 1..=3 {
                let listed = rows.min(page * limit);
                for survivors in subsets(listed, at_most) {
                    // After the first survivor, a page full of rows, or a few.
                    let first = survivors.first().copied().unwrap_or(0);
                    for restored in [None, Some((first, limit)), Some((first, 3))] {
                        let config = Config { rows, limit: limit as u32, concurrency, prefetch, reordered: false };
                        jobs.push(CleanUp { config, page, survivors: survivors.clone(), restored });
                    }
                }
            }
        }
    }
    let runs = in_parallel(jobs, |client, job| {
        job.run::<Backup>(client);
        if all() {
            job.run::<BackupDetail>(client);
        }
        1
    });
    println!("{runs} clean-ups");
}
