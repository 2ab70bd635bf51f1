//! Every story again and again, with something going wrong: a crash, a lost answer, a refusal, a late or
//! missed event, a process that stands still or decides on an old view, a clock that jumps. It ends where nothing goes wrong, and every invariant holds
//! at every step.

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

/// So many failures are told in full.
const TOLD_MAX: usize = 3;

/// How long old looks and pairs of faults are tried. Every single fault is tried in any case; every old
/// look is where this is set (and not 0), and a sample of them otherwise.
fn budget() -> (Duration, bool) {
    let set = env::var("KASPR_CAMPAIGN_SECONDS").ok();
    let is_set = set.as_deref().is_some_and(|text| text != "0");
    (Duration::from_secs(set.map_or(20, |text| text.parse().unwrap())), is_set)
}

#[test]
fn whatever_goes_wrong_ends_where_nothing_goes_wrong() {
    let mut paths: Vec<_> =
        fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    paths.sort();
    let stories: Vec<Story> = paths.iter().map(|path| read(path)).collect();
    let tally = Tally::default();
    each(&stories, |story| {
        let campaign = campaign(story);
        tally.run(&campaign, &mut campaign.single().into_iter());
    });
    let ((budget, is_whole), began) = (budget(), Instant::now());
    let share = share(budget / 2, stories.len());
    each(&stories, |story| {
        let (campaign, began) = (campaign(story), Instant::now());
        let stale = spread(campaign.stale()).into_iter();
        tally.run(&campaign, &mut stale.take_while(|_| is_whole || began.elapsed() < share));
    });
    let (stale, began) = (began.elapsed(), Instant::now());
    let short: Vec<&Story> =
        stories.iter().filter(|story| campaign(story).requests <= SHORT).collect();
    // Old looks may take longer than they should: pairs get their part in any case.
    let share = self::share(budget.saturating_sub(stale).max(budget / 4), short.len());
    each(&short, |story| {
        let (campaign, began) = (campaign(story), Instant::now());
        let pairs = spread(campaign.pairs(&TWICE)).into_iter();
        tally.run(&campaign, &mut pairs.take_while(|_| began.elapsed() < share));
    });
    let (plans, failed) = (tally.plans.load(Ordering::Relaxed), tally.failed.lock().unwrap());
    let text = format!(
        "{plans} plans of faults over {} stories, {} s of them old looks, {} s of them pairs",
        stories.len(),
        stale.as_secs(),
        began.elapsed().as_secs()
    );
    writeln!(std::io::stderr(), "{text}: {} failed", failed.len()).unwrap();
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
