//! Random pipelines of all layers: what stands where.

use fastrand::Rng;
use tower::Layer;
use tower_otlp::{
    BoxExporter, ExporterExt, Lifecycle,
    layers::{
        admission::{AdmissionBudget, AdmissionLayer},
        fallback::{FallbackLayer, FallbackPolicy},
        fan_out::{FanOut, FanOutPolicy},
        observe::{ObserveLayer, Recorder},
        route::Route,
    },
};

use super::{
    backend::Backend,
    layers::{KINDS, Kind},
    network,
    tap::Tap,
    world::World,
};

/// A pipeline, and what must hold for it.
pub struct Pipeline {
    pub service: BoxExporter,
    pub plan: Plan,
}

/// What is known of a pipeline.
#[derive(Default)]
pub struct Plan {
    /// The layers, outermost first.
    pub text: Vec<String>,
    pub goal: Goal,
    pub nodes: Vec<Node>,
    /// The tap where items are accepted.
    pub entrance: usize,
    /// Lifecycles within the pipeline: what each of them counts is what goes past a tap.
    pub inner_lifecycles: Vec<(Lifecycle, usize)>,
    pub has_batch: bool,
    pub has_worker: bool,
    pub has_fan_out: bool,
}

/// Where an item has to be.
#[derive(Clone, Debug)]
pub enum Goal {
    Backend(usize),
    /// In one of these.
    Any(Vec<Goal>),
    /// In so many of these.
    Of(usize, Vec<Goal>),
}

impl Goal {
    /// What is sent to this backend may as well come to rest in one of these.
    pub fn widen(&mut self, backend: usize, others: &[Goal]) {
        match self {
            Goal::Backend(number) if *number == backend => {
                let all = others.iter().cloned().chain([Goal::Backend(backend)]);
                *self = Goal::Any(all.collect());
            }
            Goal::Backend(_) => {}
            Goal::Any(goals) | Goal::Of(_, goals) => {
                for goal in goals {
                    goal.widen(backend, others);
                }
            }
        }
    }
}

impl Default for Goal {
    fn default() -> Self {
        Goal::Any(Vec::new())
    }
}

/// A layer or a junction.
pub struct Node {
    pub name: String,
    pub law: Law,
    /// The tap above it, and those below.
    pub upper: usize,
    pub lower: Vec<usize>,
    /// What counts what goes past the upper tap.
    pub recorder: Option<Recorder>,
    /// Whether the pipeline's lifecycle knows of it.
    pub counted: bool,
}

impl Node {
    pub fn new(name: impl Into<String>, law: Law, upper: usize, lower: Vec<usize>) -> Self {
        Self {
            name: name.into(),
            law,
            upper,
            lower,
            recorder: None,
            counted: true,
        }
    }
}

/// How the answer of a layer follows from the answers that it had.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Law {
    /// One call makes at most one, and the answer is handed on.
    Relay,
    /// Answers add up; what one of them has settled is not sent again.
    Sum,
    /// Answers add up; progress is not known after an error of readiness.
    Retry,
    /// Answers add up; what nobody can help is rejected here.
    Split,
    /// All is sent again, and only the last answer counts.
    Again,
    /// Answers add up, whether the caller still waits or not; it may be answered before.
    Queue {
        early: bool,
    },
    /// Answers of batches add up to those of their members.
    Batch,
    FanOut(FanOutPolicy),
    /// An exporter, a network and a receiver: an answer is one that was given.
    Network,
}

/// A service, with what is known of it.
pub struct Made {
    pub service: BoxExporter,
    pub tap: usize,
    pub goal: Goal,
}

pub struct Maker<'a> {
    pub rng: &'a mut Rng,
    pub world: &'a World,
    pub lifecycle: &'a Lifecycle,
    pub plan: Plan,
    /// Where exporters send to. Without one there is no network: backends are at hand.
    pub exits: Vec<Exit>,
    /// Whether queues may.
    pub answers_early: bool,
}

/// A receiver on the network: its host, the tap behind it, and where things come to rest.
#[derive(Clone)]
pub struct Exit {
    pub host: &'static str,
    pub tap: usize,
    pub goal: Goal,
}

/// The pipeline of a seed.
pub fn pipeline(rng: &mut Rng, world: &World, lifecycle: &Lifecycle, exits: Vec<Exit>) -> Pipeline {
    let mut maker = Maker {
        rng,
        world,
        lifecycle,
        plan: Plan::default(),
        exits,
        answers_early: true,
    };
    let made = maker.stack(0, 6);
    let service = maker.finish(made);
    let mut plan = maker.plan;
    plan.text.reverse();
    Pipeline { service, plan }
}

impl Maker<'_> {
    pub fn one_in(&mut self, n: u8) -> bool {
        self.rng.u8(0..n) == 0
    }

    pub fn millis(&mut self, range: std::ops::Range<u64>) -> std::time::Duration {
        std::time::Duration::from_millis(self.rng.u64(range))
    }

    pub fn say(&mut self, depth: usize, text: String) {
        self.plan.text.push(format!("{}{text}", "  ".repeat(depth)));
    }

    /// Puts a tap over a layer, and notes which law it keeps.
    pub fn node(
        &mut self,
        service: BoxExporter,
        name: &str,
        law: Law,
        lower: Vec<usize>,
        goal: Goal,
    ) -> Made {
        let place = format!("{name}/{}", self.plan.text.len());
        let (service, tap) = match (law, name) {
            (Law::Queue { .. }, _) | (_, "buffer") => {
                Tap::marking(service, place.as_str(), self.world)
            }
            _ => Tap::over(service, place.as_str(), self.world),
        };
        self.plan.nodes.push(Node::new(place, law, tap, lower));
        Made { service, tap, goal }
    }

    /// The way in: counted, and sometimes with the layers of a receiver above.
    fn finish(&mut self, made: Made) -> BoxExporter {
        self.plan.goal = made.goal;
        let (service, tap) = Tap::over(made.service, "entrance", self.world);
        self.plan.entrance = tap;
        let mut service = self.lifecycle.layer().layer(service).boxed_exporter();
        self.say(0, "track".to_owned());
        if self.one_in(4) {
            let recorder = Recorder::new();
            let layer = ObserveLayer::request(recorder.clone());
            service = layer.layer(service).boxed_exporter();
            let (watched, tap) = Tap::over(service, "edge", self.world);
            service = watched;
            // Below is the lifecycle, which turns requests away without a call.
            self.plan.nodes.push(Node {
                recorder: Some(recorder),
                ..Node::new("edge", Law::Relay, tap, vec![self.plan.entrance])
            });
            self.say(0, "observe requests".to_owned());
        }
        if self.one_in(4) {
            let bytes = self.rng.usize(100..3_000);
            let budget = AdmissionBudget::new(bytes).expect("can work");
            service = AdmissionLayer::new(budget).layer(service).boxed_exporter();
            self.say(0, format!("admission {bytes} bytes"));
        }
        service
    }

    /// Layers over a backend or a junction.
    pub fn stack(&mut self, depth: usize, most: usize) -> Made {
        let junction = if depth < 2 { self.rng.u8(0..8) } else { 9 };
        let made = match junction {
            0 => self.fallback(depth),
            1 => self.routes(depth),
            2 => self.fan_out(depth),
            _ if !self.exits.is_empty() => self.exit(depth),
            _ => {
                let (backend, number, text) = Backend::new(self.rng, self.world);
                self.say(depth, text);
                let place = format!("above backend {number}");
                let (service, tap) = Tap::over(backend.boxed_exporter(), place, self.world);
                Made {
                    service,
                    tap,
                    goal: Goal::Backend(number),
                }
            }
        };
        self.layers(made, depth, most)
    }

    fn exit(&mut self, depth: usize) -> Made {
        let exit = self.exits[self.rng.usize(0..self.exits.len())].clone();
        let (service, text) = network::exporter(self.rng, exit.host);
        self.say(depth, text);
        self.node(service, "exporter", Law::Network, vec![exit.tap], exit.goal)
    }

    fn fallback(&mut self, depth: usize) -> Made {
        let primary = self.stack(depth + 1, 2);
        self.say(depth, "fallback to".to_owned());
        let secondary = self.stack(depth + 1, 2);
        let policy = FallbackPolicy::new()
            .after_unready(self.millis(1..20_000))
            .probe_interval(self.millis(0..20_000))
            .probe_timeout(self.millis(1..5_000));
        self.say(depth, format!("fallback {policy:?} from"));
        let layer = FallbackLayer::with_policy(secondary.service, policy).expect("can work");
        let service = layer.layer(primary.service).boxed_exporter();
        let goal = Goal::Any(vec![primary.goal, secondary.goal]);
        let lower = vec![primary.tap, secondary.tap];
        self.node(service, "fallback", Law::Sum, lower, goal)
    }

    fn routes(&mut self, depth: usize) -> Made {
        let one = self.stack(depth + 1, 2);
        self.say(depth, "or to".to_owned());
        let other = self.stack(depth + 1, 2);
        let (by, value) = match self.rng.u8(0..3) {
            0 => (Route::by_tenant(), "t1"),
            1 => (Route::by_signal(), "logs"),
            _ => (Route::by_attribute("region"), "eu"),
        };
        let goal = Goal::Any(vec![one.goal, other.goal]);
        let lower = vec![one.tap, other.tap];
        let routes = by.to(value, one.service);
        let routes = match self.one_in(4) {
            true => routes,
            false => routes.otherwise(other.service),
        };
        self.say(depth, format!("{routes:?} to"));
        let service = routes.build().expect("can work").boxed_exporter();
        self.node(service, "route", Law::Sum, lower, goal)
    }

    fn fan_out(&mut self, depth: usize) -> Made {
        let count = self.rng.usize(2..=3);
        let policy = match self.rng.u8(0..4) {
            0 => FanOutPolicy::Quorum(self.rng.usize(1..=count)),
            1 => FanOutPolicy::BestEffort,
            _ => FanOutPolicy::All,
        };
        let mut branches = Vec::new();
        let (mut goals, mut lower) = (Vec::new(), Vec::new());
        for _ in 0..count {
            let made = self.stack(depth + 1, 3);
            self.say(depth + 1, "branch".to_owned());
            branches.push(made.service);
            goals.push(made.goal);
            lower.push(made.tap);
        }
        let needed = match policy {
            FanOutPolicy::Quorum(needed) => needed,
            FanOutPolicy::All => count,
            _ => 1,
        };
        self.plan.has_fan_out = true;
        self.say(depth, format!("fan-out {policy:?}"));
        let service = FanOut::new(branches).policy(policy).boxed_exporter();
        let goal = Goal::Of(needed, goals);
        self.node(service, "fan-out", Law::FanOut(policy), lower, goal)
    }

    /// Some layers, mostly in the order that suits most pipelines.
    fn layers(&mut self, mut made: Made, depth: usize, most: usize) -> Made {
        let mut kinds: Vec<Kind> = Vec::new();
        for _ in 0..self.rng.usize(0..=most) {
            kinds.push(KINDS[self.rng.usize(0..KINDS.len())]);
        }
        if !self.one_in(3) {
            kinds.sort_by_key(|kind| KINDS.iter().position(|known| known == kind));
        }
        for kind in kinds.into_iter().rev() {
            made = self.layer(made, kind, depth);
        }
        made
    }
}
