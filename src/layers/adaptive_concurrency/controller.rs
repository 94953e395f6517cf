//! The algorithm, without clock, lock or service. The [module](super) says how it works.

// Numbers of requests are far below the point at which `f64` gets coarse.
#![allow(clippy::cast_precision_loss)]

/// Answers that make a mean worth comparing.
const ENOUGH: usize = 8;

/// A latency cut that brought less than this was none: the backend is slower by itself.
const NO_BETTER: f64 = 0.9;

/// Windows above the last limit that was too much, before the limit doubles again.
const CALM: u32 = 8;

/// Windows before the baseline is measured anew: at first, and later.
const FIRST_PROBE: u32 = 8;
const NEXT_PROBE: u32 = 32;

/// What one attempt showed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Sample {
    /// It was served, in so many seconds.
    Served(f64),
    /// It failed for a reason that says nothing about load, after so many seconds.
    Failed(f64),
    /// The backend said, or showed, that it was too much.
    Pushback,
}

/// Finds the limit.
#[derive(Debug)]
pub(super) struct Controller {
    min: usize,
    max: usize,
    limit: usize,
    phase: Phase,
    /// Counts the windows. A sample of an older one says nothing about the limit of today.
    epoch: u64,
    window: Window,
    baseline: Option<Baseline>,
    /// The last limit that was too much.
    ceiling: usize,
    /// Windows without a sign above the ceiling.
    calm: u32,
    /// Windows that ended in pushback, one after the other.
    streak: u32,
    /// Mean and load of the window that led to the last cut for latency.
    cut: Option<(f64, f64)>,
    /// Windows until the next probe.
    probe_in: u32,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Phase {
    /// Doubling until the first sign.
    Start,
    /// Near the limit.
    Steady,
    /// One window at a lower limit, to measure the baseline; then back to this.
    Probe { back_to: usize },
}

/// The latency of the backend without a queue.
#[derive(Clone, Copy, Debug)]
struct Baseline {
    mean: f64,
    samples: usize,
}

/// What was seen since the last decision.
#[derive(Clone, Copy, Debug, Default)]
struct Window {
    answers: usize,
    samples: usize,
    sum: f64,
    squares: f64,
    starts: usize,
    /// Sum of the requests in flight at each start.
    loads: f64,
    /// Most permits in use at a start.
    peak: usize,
}

impl Window {
    fn mean(&self) -> Option<f64> {
        (self.samples > 0).then(|| self.sum / self.samples as f64)
    }

    /// Twice the standard error of the mean.
    fn noise(&self, mean: f64) -> f64 {
        let samples = self.samples.max(1) as f64;
        let variance = (self.squares / samples - mean * mean).max(0.0);
        2.0 * (variance / samples).sqrt()
    }

    fn load(&self) -> f64 {
        self.loads / self.starts.max(1) as f64
    }
}

impl Controller {
    pub(super) fn new(min: usize, max: usize, initial: usize) -> Self {
        Self {
            min,
            max,
            limit: initial,
            phase: Phase::Start,
            epoch: 0,
            window: Window::default(),
            baseline: None,
            ceiling: 0,
            calm: 0,
            streak: 0,
            cut: None,
            probe_in: FIRST_PROBE,
        }
    }

    pub(super) const fn limit(&self) -> usize {
        self.limit
    }

    /// An attempt begins: so many permits are in use, so many requests in flight, this one
    /// included. Gives the window to which its sample belongs.
    pub(super) fn start(&mut self, in_use: usize, in_flight: usize) -> u64 {
        self.window.peak = self.window.peak.max(in_use);
        self.window.starts += 1;
        self.window.loads += in_flight as f64;
        self.epoch
    }

    /// An attempt of this window ended.
    pub(super) fn sample(&mut self, epoch: u64, sample: Sample) {
        if epoch != self.epoch {
            return;
        }
        self.window.answers += 1;
        match sample {
            // At once: what is refused fast leaves room for the next, and a whole window of
            // refusals would come before anything is done.
            Sample::Pushback => return self.push_back(),
            Sample::Failed(seconds)
                if self
                    .baseline
                    .is_none_or(|baseline| seconds <= baseline.mean) => {}
            Sample::Served(seconds) | Sample::Failed(seconds) => {
                self.window.samples += 1;
                self.window.sum += seconds;
                self.window.squares += seconds * seconds;
            }
        }
        let enough = match self.phase {
            Phase::Start => 1,
            Phase::Steady | Phase::Probe { .. } => ENOUGH,
        };
        if self.window.answers >= self.window.peak.max(enough) {
            self.decide();
        }
    }

    fn end_window(&mut self) -> Window {
        self.epoch += 1;
        std::mem::take(&mut self.window)
    }

    fn decide(&mut self) {
        let window = self.end_window();
        self.streak = 0;
        // Failures alone say nothing.
        let Some(mean) = window.mean() else { return };
        // Probe => Steady: half the load shows the latency without a queue, whatever it is.
        if let Phase::Probe { back_to } = self.phase {
            self.baseline = Some(Baseline {
                mean,
                samples: window.samples,
            });
            self.phase = Phase::Steady;
            self.limit = back_to;
            return;
        }
        let baseline = self.baseline.map_or(mean, |baseline| baseline.mean);
        let queue = (window.load() * (1.0 - baseline / mean)).max(0.0);
        let beyond_noise = mean > baseline + window.noise(mean);
        let wanted_queue = self.wanted_queue();
        // With few in flight a slow answer has other causes than the limit.
        let in_use = window.peak * 2 >= self.limit;
        if in_use && beyond_noise && queue > 2.0 * wanted_queue {
            self.too_slow(&window, mean, baseline);
            return;
        }
        self.cut = None;
        self.settle_baseline(mean, window.samples);
        if window.peak < self.limit {
            return;
        }
        if queue < wanted_queue || !beyond_noise {
            self.grow();
        }
        self.count_down_to_probe();
    }

    /// So many requests in a queue at the backend keep it busy without making it slow.
    fn wanted_queue(&self) -> f64 {
        (self.limit as f64 / 10.0).max(1.0)
    }

    /// * => Steady
    fn push_back(&mut self) {
        let window = self.end_window();
        self.streak += 1;
        let factor = match self.streak {
            1 | 2 => 0.9,
            3 | 4 => 0.75,
            _ => 0.5,
        };
        let base = self.limit.min(window.peak);
        self.too_much(base);
        self.set(base as f64 * factor);
    }

    /// * => Steady
    fn too_slow(&mut self, window: &Window, mean: f64, baseline: f64) {
        let load = window.load();
        if let Some((before, load_before)) = self.cut.take()
            && load < 0.8 * load_before
            && mean > NO_BETTER * before
        {
            // Less load did not help: it is not our queue.
            self.phase = Phase::Steady;
            self.baseline = Some(Baseline {
                mean,
                samples: window.samples,
            });
            return;
        }
        let limit = self.limit as f64;
        let fair = load * baseline / mean + self.wanted_queue();
        self.too_much(self.limit);
        self.set(fair.min(limit - 1.0).max(limit / 2.0));
        self.cut = Some((mean, load));
    }

    fn too_much(&mut self, ceiling: usize) {
        self.phase = Phase::Steady;
        self.ceiling = ceiling;
        self.calm = 0;
        self.cut = None;
    }

    fn grow(&mut self) {
        match self.phase {
            Phase::Start => self.set(self.limit as f64 * 2.0),
            // Steady => Steady | Start
            Phase::Steady | Phase::Probe { .. } => {
                self.calm = if self.limit > self.ceiling {
                    self.calm + 1
                } else {
                    0
                };
                if self.calm > CALM {
                    self.phase = Phase::Start;
                }
                self.set(self.limit as f64 + 1.0);
            }
        }
    }

    /// Steady => Steady | Probe
    fn count_down_to_probe(&mut self) {
        let half = self.limit / 2;
        if self.phase != Phase::Steady || half < self.min.max(1) {
            return;
        }
        self.probe_in = self.probe_in.saturating_sub(1);
        if self.probe_in == 0 {
            self.probe_in = NEXT_PROBE;
            let back_to = self.limit;
            self.phase = Phase::Probe { back_to };
            self.limit = half;
        }
    }

    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    fn set(&mut self, limit: f64) {
        self.limit = (limit as usize).clamp(self.min, self.max);
    }

    fn settle_baseline(&mut self, mean: f64, samples: usize) {
        let Some(baseline) = &mut self.baseline else {
            self.baseline = Some(Baseline { mean, samples });
            return;
        };
        if baseline.samples < ENOUGH {
            let (old, new) = (baseline.samples as f64, samples as f64);
            baseline.mean = (baseline.mean * old + mean * new) / (old + new);
            baseline.samples += samples;
        } else if mean < baseline.mean {
            // Not all of the way: one lucky window is not the truth.
            baseline.mean += 0.3 * (mean - baseline.mean);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs one window at full use, in which each attempt shows this.
    fn window(controller: &mut Controller, mut sample: impl FnMut(usize) -> Sample) {
        let limit = controller.limit();
        let epoch = controller.start(limit, limit);
        for number in 0..limit.max(ENOUGH) {
            controller.start(limit, limit);
            controller.sample(epoch, sample(number));
            if controller.epoch != epoch {
                return;
            }
        }
    }

    fn steady(limit: usize) -> Controller {
        let mut controller = Controller::new(1, 1000, limit);
        controller.phase = Phase::Steady;
        controller.baseline = Some(Baseline {
            mean: 1.0,
            samples: 100,
        });
        controller
    }

    #[test]
    fn it_doubles_until_the_first_sign() {
        let mut controller = Controller::new(1, 1000, 1);
        let mut limits = Vec::new();
        for _ in 0..5 {
            window(&mut controller, |_| Sample::Served(1.0));
            limits.push(controller.limit());
        }
        assert_eq!(limits, [2, 4, 8, 16, 32]);
        window(&mut controller, |_| Sample::Served(2.0));
        // Half of 32 were queued: 16 and a tenth of 32 are enough.
        assert_eq!(controller.limit(), 19);
        window(&mut controller, |_| Sample::Served(1.0));
        assert_eq!(controller.limit(), 20);
    }

    #[test]
    fn pushback_cuts_at_once_and_more_if_it_goes_on() {
        let mut controller = steady(100);
        let mut limits = Vec::new();
        for _ in 0..6 {
            let before = controller.start(100, 100);
            // Those that began before the cut count once.
            for _ in 0..10 {
                controller.sample(before, Sample::Pushback);
            }
            limits.push(controller.limit());
            let limit = controller.limit();
            controller.start(limit, limit);
        }
        assert_eq!(limits, [90, 81, 60, 45, 22, 11]);
        window(&mut controller, |_| Sample::Served(1.0));
        window(&mut controller, |_| Sample::Pushback);
        assert_eq!(controller.limit(), 10, "a served window ends the streak");
    }

    #[test]
    fn pushback_cuts_what_was_used_and_not_what_was_allowed() {
        let mut controller = steady(100);
        let epoch = controller.start(10, 10);
        controller.sample(epoch, Sample::Pushback);
        assert_eq!(controller.limit(), 9);
    }

    #[test]
    fn the_bounds_hold() {
        let mut controller = Controller::new(3, 20, 4);
        for _ in 0..10 {
            window(&mut controller, |_| Sample::Served(1.0));
        }
        assert_eq!(controller.limit(), 20);
        for _ in 0..10 {
            window(&mut controller, |_| Sample::Pushback);
        }
        assert_eq!(controller.limit(), 3);
    }

    #[test]
    fn a_limit_that_is_not_reached_does_not_grow() {
        let mut controller = steady(10);
        for _ in 0..10 {
            for _ in 0..ENOUGH {
                let epoch = controller.start(9, 9);
                controller.sample(epoch, Sample::Served(1.0));
            }
        }
        assert_eq!(controller.limit(), 10);
    }

    #[test]
    fn fast_failures_teach_nothing_and_slow_ones_do() {
        let mut controller = steady(20);
        window(&mut controller, |_| Sample::Failed(0.001));
        assert_eq!(controller.limit(), 20);
        assert_eq!(controller.baseline.expect("known").mean, 1.0);
        window(&mut controller, |_| Sample::Failed(4.0));
        assert_eq!(controller.limit(), 10);
    }

    #[test]
    fn samples_of_an_older_limit_are_ignored() {
        let mut controller = steady(20);
        let old = controller.start(20, 20);
        window(&mut controller, |_| Sample::Served(1.0));
        let limit = controller.limit();
        for _ in 0..100 {
            controller.sample(old, Sample::Pushback);
        }
        assert_eq!(controller.limit(), limit);
    }

    #[test]
    fn a_backend_that_is_slower_by_itself_gets_a_new_baseline() {
        let mut controller = steady(100);
        // Three times as slow, however few requests there are.
        for _ in 0..20 {
            window(&mut controller, |_| Sample::Served(3.0));
        }
        assert!(controller.limit() > 40, "{}", controller.limit());
        assert_eq!(controller.baseline.expect("known").mean, 3.0);
    }

    #[test]
    fn noise_is_not_taken_for_a_queue() {
        let mut controller = steady(20);
        for _ in 0..FIRST_PROBE - 1 {
            window(&mut controller, |number| {
                Sample::Served(if number % 2 == 0 { 0.3 } else { 1.7 })
            });
        }
        assert_eq!(controller.limit(), 27);
    }
}
