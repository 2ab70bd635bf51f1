//! Every story again and again, with something going wrong: a crash, a lost answer, a refusal, a late or
//! missed event, a process that stands still or decides on an old view, a clock that jumps. It ends where nothing goes wrong, and every invariant holds
//! at every step.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use kaspr_core::Settings;
use kaspr_simulator::campaign::Campaign;
use kaspr_simulator::cluster::Timings;
use kaspr_simulator::fault::{Fault, Faults};
use kaspr_simulator::story::Story;

use crate::stories::{folder, read};

/// What happens at two requests of one run.
const TWICE: [Fault; 4] =
    [Fault::CrashBefore, Fault::CrashAfter, Fault::AnswerLost, Fault::Refused(500)];

/// Two faults are tried in stories of at most so many requests.
const SHORT: u64 = 20;

/// There are too many pairs to try all: where no time is set, they are tried for a quarter of this.
const PAIRS_LAST: Duration = Duration::from_mins(4);

/// So many failures are told in full.
const TOLD_MAX: usize = 3;

/// How long faults are tried: half of it single ones, a quarter each old looks and pairs. Of each story
/// the same share, and of each sort a sample that is spread over the whole; `0` tries every single fault
/// and every old look, however long that takes.
fn budget() -> Option<Duration> {
    let set = env::var("KASPR_CAMPAIGN_SECONDS").ok();
    let seconds = set.map_or(60, |text| text.parse().unwrap());
    (seconds > 0).then(|| Duration::from_secs(seconds))
}

#[test]
fn whatever_goes_wrong_ends_where_nothing_goes_wrong() {
    let mut paths: Vec<_> =
        fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    // One of them, for who looks for something.
    if let Ok(only) = env::var("KASPR_CAMPAIGN_STORY") {
        paths.retain(|path| path.file_stem().is_some_and(|name| *name == *only));
    }
    paths.sort();
    let stories: Vec<Story> = paths.iter().map(|path| read(path)).collect();
    let tally = Tally::default();
    let (budget, began) = (budget(), Instant::now());
    let within =
        |share: Option<Duration>, began: Instant| share.is_none_or(|share| began.elapsed() < share);
    let part = budget.map(|budget| share(budget / 2, stories.len()));
    each(&stories, |story| {
        let (campaign, began) = (campaign(story), Instant::now());
        let single = spread(campaign.single()).into_iter();
        tally.run(&campaign, &mut single.take_while(|_| within(part, began)));
    });
    let (single, began) = (began.elapsed(), Instant::now());
    let part = part.map(|part| part / 2);
    each(&stories, |story| {
        let (campaign, began) = (campaign(story), Instant::now());
        let stale = spread(campaign.stale()).into_iter();
        tally.run(&campaign, &mut stale.take_while(|_| within(part, began)));
    });
    let (stale, began) = (began.elapsed(), Instant::now());
    let short: Vec<&Story> =
        stories.iter().filter(|story| campaign(story).requests <= SHORT).collect();
    let share = share(budget.unwrap_or(PAIRS_LAST) / 4, short.len());
    each(&short, |story| {
        let (campaign, began) = (campaign(story), Instant::now());
        let pairs = spread(campaign.pairs(&TWICE)).into_iter();
        tally.run(&campaign, &mut pairs.take_while(|_| began.elapsed() < share));
    });
    let (plans, failed) = (tally.plans.load(Ordering::Relaxed), tally.failed.lock().unwrap());
    let text = format!(
        "{plans} plans of faults over {} stories, {} s of them single ones, {} s old looks, {} s pairs",
        stories.len(),
        single.as_secs(),
        stale.as_secs(),
        began.elapsed().as_secs()
    );
    writeln!(std::io::stderr(), "{text}: {} failed", failed.len()).unwrap();
    let mut sorts = BTreeMap::<String, usize>::new();
    for one in failed.iter() {
        let mut lines = one.lines();
        let (why, least) = (lines.next().unwrap_or_default(), lines.nth(1).unwrap_or_default());
        let story = lines.next().unwrap_or_default().split(':').next().unwrap_or_default();
        let why: String = why.chars().filter(|char| !char.is_ascii_digit()).take(110).collect();
        let least: String = least.chars().filter(|char| !char.is_ascii_digit()).take(50).collect();
        *sorts.entry(format!("{story} | {why} | {least}")).or_default() += 1;
    }
    for (sort, count) in &sorts {
        writeln!(std::io::stderr(), "{count} times: {sort}").unwrap();
    }
    assert!(
        failed.is_empty(),
        "{} of {plans}:\n{}",
        failed.len(),
        failed.iter().take(TOLD_MAX).cloned().collect::<String>()
    );
}

/// The time of one of several that are done as many at a time as there are cores.
fn share(of: Duration, count: usize) -> Duration {
    of / u32::try_from(count.div_ceil(workers())).unwrap().max(1)
}

fn campaign(story: &Story) -> Campaign<'_> {
    Campaign::of(story, Timings::default(), Settings::default())
        .unwrap_or_else(|why| panic!("{}: {why:?}", story.about))
}

/// What was run, and what did not end well.
#[derive(Default)]
struct Tally {
    plans: AtomicUsize,
    failed: Mutex<Vec<String>>,
}

impl Tally {
    fn run(&self, campaign: &Campaign<'_>, plans: &mut dyn Iterator<Item = Faults>) {
        for plan in plans {
            self.plans.fetch_add(1, Ordering::Relaxed);
            if let Err(why) = campaign.run(&plan) {
                let least = campaign.shrunk(&plan);
                let story = campaign.story_of(&least).join("\n");
                let text = format!("{why:?}\nplan: {plan}\nleast: {least}\n{story}\n\n");
                self.failed.lock().unwrap().push(text);
            }
        }
    }
}

/// In an order in which neighbours are far apart, so that any part of it is a sample of the whole.
fn spread<T>(all: Vec<T>) -> Vec<T> {
    let count = all.len();
    // Coprime to any count that it does not divide.
    let step = [7_919, 104_729].into_iter().find(|step| !count.is_multiple_of(*step)).unwrap_or(1);
    let mut slots: Vec<Option<T>> = all.into_iter().map(Some).collect();
    (0..count).filter_map(|at| slots[at * step % count].take()).collect()
}

fn workers() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// Does something with each, as many at a time as there are cores.
fn each<T: Sync>(all: &[T], act: impl Fn(&T) + Sync) {
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..workers() {
            scope.spawn(|| {
                while let Some(one) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
                    act(one);
                }
            });
        }
    });
}
