//! Ratios to a baseline, measured side by side.
//!
//! Times on a shared machine wander by half, so the candidates of a group take turns, round by
//! round. A turn holds several calls, so that each runs mostly with its own code, data and memory
//! at hand, as under criterion; with `SHORT_TURNS` set it is over after a millisecond, and what is
//! quick is timed mostly with what another has left in the caches. What others take from a round
//! only ever adds to it: the eighth of the rounds that were fastest says what the work itself
//! costs, and ratios are between these. The same closures go through criterion first.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use criterion::{Criterion, Throughput};

use super::allocations::allocations;

/// What a ratio should be.
#[derive(Clone, Copy)]
pub(crate) enum Goal {
    /// Only shown.
    None,
    /// At most this share of the baseline's time.
    Share(f64),
    /// At least this many times as fast as the baseline.
    Times(f64),
    /// At most this much more than the baseline, for each item.
    Over(Duration),
}

struct Candidate<'a> {
    name: &'static str,
    goal: Goal,
    /// Index of what it is compared with.
    baseline: usize,
    run: Box<dyn FnMut() + 'a>,
}

/// Candidates that do comparable work.
pub(crate) struct Group<'a> {
    name: String,
    items: u64,
    candidates: Vec<Candidate<'a>>,
}

const ROUNDS: usize = 81;
const FEWEST_ROUNDS: usize = 17;
/// How long the rounds of a candidate may take in all, but for the fewest.
const LONGEST: Duration = Duration::from_secs(2);

/// How long a turn takes at least, and how many calls it holds at least.
#[derive(Clone, Copy)]
struct Turn {
    time: Duration,
    calls: u32,
}

impl Turn {
    const LONG: Self = Self {
        time: Duration::from_millis(8),
        calls: 5,
    };
    const SHORT: Self = Self {
        time: Duration::from_millis(1),
        calls: 1,
    };

    fn chosen() -> Self {
        match std::env::var_os("SHORT_TURNS") {
            Some(_) => Self::SHORT,
            None => Self::LONG,
        }
    }

    /// How many calls fill a turn, and how long that takes.
    fn calls(self, run: &mut dyn FnMut()) -> (u32, Duration) {
        let mut calls = 1;
        loop {
            let start = Instant::now();
            for _ in 0..calls {
                run();
            }
            let time = start.elapsed();
            if time >= self.time / 4 {
                let fill = f64::from(calls) * self.time.as_secs_f64() / time.as_secs_f64();
                let fill = (fill.ceil() as u32).max(self.calls);
                return (fill, time * fill / calls);
            }
            calls *= 2;
        }
    }
}

impl<'a> Group<'a> {
    /// A group whose closures each handle `items` items.
    pub(crate) fn new(name: impl Into<String>, items: u64) -> Self {
        Self {
            name: name.into(),
            items,
            candidates: Vec::new(),
        }
    }

    /// Adds what those behind it are compared with.
    pub(crate) fn baseline<T>(self, name: &'static str, run: impl FnMut() -> T + 'a) -> Self {
        let baseline = self.candidates.len();
        self.add(name, Goal::None, baseline, run)
    }

    /// Adds a candidate.
    pub(crate) fn candidate<T>(
        self,
        name: &'static str,
        goal: Goal,
        run: impl FnMut() -> T + 'a,
    ) -> Self {
        let baseline = self.candidates.last().map_or(0, |last| last.baseline);
        self.add(name, goal, baseline, run)
    }

    fn add<T>(
        mut self,
        name: &'static str,
        goal: Goal,
        baseline: usize,
        mut run: impl FnMut() -> T + 'a,
    ) -> Self {
        self.candidates.push(Candidate {
            name,
            goal,
            baseline,
            run: Box::new(move || {
                black_box(run());
            }),
        });
        self
    }

    fn criterion(&mut self, criterion: &mut Criterion) {
        let mut group = criterion.benchmark_group(&self.name);
        group.throughput(Throughput::Elements(self.items));
        for candidate in &mut self.candidates {
            group.bench_function(candidate.name, |bencher| bencher.iter(|| (candidate.run)()));
        }
        group.finish();
    }

    /// Prints the group's rows; says whether all goals were met.
    fn table(&mut self) -> bool {
        let turn = Turn::chosen();
        let turns: Vec<(u32, Duration)> = self
            .candidates
            .iter_mut()
            .map(|candidate| turn.calls(&mut candidate.run))
            .collect();
        let longest = turns.iter().map(|turn| turn.1).max().unwrap_or(turn.time);
        let count = (LONGEST.as_secs_f64() / longest.as_secs_f64()) as usize;
        let count = count.clamp(FEWEST_ROUNDS, ROUNDS);
        let mut rounds = vec![Vec::with_capacity(count); turns.len()];
        for _ in 0..count {
            for (position, candidate) in self.candidates.iter_mut().enumerate() {
                let start = Instant::now();
                let calls = turns[position].0;
                for _ in 0..calls {
                    (candidate.run)();
                }
                let time = start.elapsed().as_secs_f64() / f64::from(calls);
                rounds[position].push(time * 1e9);
            }
        }
        let mut met_all = true;
        for (position, candidate) in self.candidates.iter_mut().enumerate() {
            let time = undisturbed(&rounds[position]);
            let base = undisturbed(&rounds[candidate.baseline]);
            let items = self.items as f64;
            let share = time / base;
            let over = (time - base) / items;
            let ((), count, bytes) = allocations(&mut candidate.run);
            let (ratio, goal, met) = match candidate.goal {
                Goal::None if position == candidate.baseline => {
                    ("1".to_owned(), String::new(), None)
                }
                Goal::None => (format!("{share:.3}"), String::new(), None),
                Goal::Share(most) => (
                    format!("{share:.3}"),
                    format!("<= {most}"),
                    Some(share <= most),
                ),
                Goal::Times(least) => (
                    format!("{:.1} x", 1.0 / share),
                    format!(">= {least} x"),
                    Some(1.0 / share >= least),
                ),
                Goal::Over(most) => (
                    format!("+{over:.0} ns/item"),
                    format!("<= +{} ns", most.as_nanos()),
                    Some(over <= most.as_nanos() as f64),
                ),
            };
            met_all &= met != Some(false);
            let met = match met {
                None => "",
                Some(true) => "yes",
                Some(false) => "NO",
            };
            println!(
                "| {} | {} | {:.1} | {ratio} | {goal} | {met} | {:.1} | {:.1} |",
                self.name,
                candidate.name,
                time / items,
                count as f64 / items,
                bytes as f64 / items,
            );
        }
        met_all
    }
}

/// The time of a round that was left alone: the slowest of the fastest eighth.
fn undisturbed(rounds: &[f64]) -> f64 {
    let mut sorted = rounds.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 8]
}

/// Runs the groups through criterion, then prints the table of ratios.
///
/// With `RATIOS_ONLY` set criterion is left out; with criterion's `--test` the table is. An argument
/// that is no option leaves the groups with that in their name.
pub(crate) fn run(mut groups: Vec<Group<'_>>) {
    if let Some(part) = std::env::args().skip(1).find(|arg| !arg.starts_with('-')) {
        groups.retain(|group| group.name.contains(&part));
    }
    if std::env::var_os("RATIOS_ONLY").is_none() {
        let mut criterion = Criterion::default()
            .sample_size(20)
            .warm_up_time(Duration::from_millis(300))
            .measurement_time(Duration::from_secs(1))
            .configure_from_args();
        for group in &mut groups {
            group.criterion(&mut criterion);
        }
        criterion.final_summary();
    }
    let quick = |argument: String| argument == "--test" || argument == "--list";
    if std::env::args().any(quick) {
        return;
    }
    println!(
        "\n| group | candidate | ns/item | ratio | goal | met | allocations/item | bytes/item |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    let missed = groups
        .iter_mut()
        .filter_map(|group| (!group.table()).then_some(()))
        .count();
    println!(
        "\n{}",
        if missed == 0 {
            "all goals met"
        } else {
            "NOT all goals met"
        }
    );
}
