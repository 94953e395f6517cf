//! The same law over a network: our OTLP exporters and receivers, with real HTTP/1.1 and HTTP/2
//! between them, over simulated TCP.
//!
//! Links are slow, lose what they carry, hold it back, and break in one direction or both; a
//! gateway and the backend's host crash and come back. What the backend has outlives its host.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use fastrand::Rng;
use tokio::time::{sleep, timeout};
use tower_otlp::{
    BoxExporter, Compression, Encoding, ExporterExt, Lifecycle,
    exporters::otlp::{OtlpGrpcExporter, OtlpHttpExporter},
    layers::admission::AdmissionBudget,
};
use turmoil::{Builder, Sim};

use super::{
    backend::Backend,
    pipeline::{Exit, Goal, Law, Maker, Node, Plan},
    run::{Detail, PATIENCE, Totals, Violation, drive, finished},
    tap::Tap,
    wire,
    world::World,
};

const PORT: u16 = 4317;

/// After this long all links and hosts are well.
const STORM: Duration = Duration::from_secs(40);

#[derive(Clone, Copy, Debug)]
enum Event {
    Partition(&'static str, &'static str),
    PartitionOneWay(&'static str, &'static str),
    Repair(&'static str, &'static str),
    Hold(&'static str, &'static str),
    Release(&'static str, &'static str),
    Slow(&'static str, &'static str, Duration),
    Crash(&'static str),
    Bounce(&'static str),
}

impl Event {
    fn happen(self, sim: &mut Sim<'_>) {
        match self {
            Event::Partition(one, other) => sim.partition(one, other),
            Event::PartitionOneWay(from, to) => sim.partition_oneway(from, to),
            Event::Repair(one, other) => sim.repair(one, other),
            Event::Hold(one, other) => sim.hold(one, other),
            Event::Release(one, other) => sim.release(one, other),
            Event::Slow(one, other, time) => sim.set_link_latency(one, other, time),
            Event::Crash(host) => sim.crash(host),
            Event::Bounce(host) => sim.bounce(host),
        }
    }
}

/// What happens to links and hosts, in order.
fn storm(rng: &mut Rng, links: &[(&'static str, &'static str)]) -> Vec<(Duration, Event)> {
    let mut out = Vec::new();
    for _ in 0..rng.usize(0..=6) {
        let at = Duration::from_millis(rng.u64(0..30_000));
        let until = at + Duration::from_millis(rng.u64(50..9_000));
        let (one, other) = links[rng.usize(0..links.len())];
        let (begins, ends) = match rng.u8(0..6) {
            0 => (Event::Partition(one, other), Event::Repair(one, other)),
            1 => (
                Event::PartitionOneWay(one, other),
                Event::Repair(one, other),
            ),
            2 => (
                Event::PartitionOneWay(other, one),
                Event::Repair(one, other),
            ),
            3 => (Event::Hold(one, other), Event::Release(one, other)),
            4 => {
                let slow = Duration::from_millis(rng.u64(100..2_000));
                let usual = Duration::from_millis(5);
                (
                    Event::Slow(one, other, slow),
                    Event::Slow(one, other, usual),
                )
            }
            _ => (Event::Crash(other), Event::Bounce(other)),
        };
        out.push((at, begins));
        out.push((until, ends));
    }
    // A host that is down may crash again before it is back: it comes back the last time, too.
    for (one, other) in links {
        out.push((STORM, Event::Repair(one, other)));
        out.push((STORM, Event::Release(one, other)));
        out.push((STORM, Event::Bounce(other)));
    }
    out.sort_by_key(|(at, _)| *at);
    out
}

/// What all hosts know.
#[derive(Clone)]
struct Place {
    world: World,
    nodes: Arc<Mutex<Vec<Node>>>,
    /// The pipelines of the gateway, one after the other.
    tops: Arc<Mutex<Vec<usize>>>,
    /// Where they send to: to the backend, or to a dead letter exporter.
    goals: Arc<Mutex<Vec<Goal>>>,
    text: Arc<Mutex<Vec<String>>>,
    gateway_tap: usize,
    backend_tap: usize,
    backend: Backend,
    number: usize,
}

impl Place {
    fn exit(&self, host: &'static str) -> Exit {
        Exit {
            host,
            tap: match host {
                "gateway" => self.gateway_tap,
                _ => self.backend_tap,
            },
            goal: Goal::Backend(self.number),
        }
    }

    /// The gateway's pipeline, made anew when it comes back.
    fn gateway(&self, seed: u64) -> BoxExporter {
        let mut rng = Rng::with_seed(seed);
        let lifecycle = Lifecycle::new();
        let mut maker = Maker {
            rng: &mut rng,
            world: &self.world,
            lifecycle: &lifecycle,
            plan: Plan::default(),
            exits: vec![self.exit("backend")],
            answers_early: false,
        };
        let made = maker.stack(2, 3);
        let Plan { nodes, text, .. } = maker.plan;
        self.tops.lock().unwrap().push(made.tap);
        self.goals.lock().unwrap().push(made.goal);
        let nodes = nodes.into_iter().map(|node| Node {
            counted: false,
            ..node
        });
        self.nodes.lock().unwrap().extend(nodes);
        let mut known = self.text.lock().unwrap();
        if known.is_empty() {
            known.extend(text.into_iter().rev());
        }
        drop(known);
        Tap::at(
            made.service,
            "at the gateway",
            &self.world,
            self.gateway_tap,
        )
    }

    /// What the gateways made, as layers of the plan.
    fn into_plan(self, plan: &mut Plan, has_gateway: bool) {
        plan.goal.widen(self.number, &self.goals.lock().unwrap());
        plan.nodes.append(&mut self.nodes.lock().unwrap());
        if has_gateway {
            plan.nodes.push(Node {
                counted: false,
                ..Node::new(
                    "gateway",
                    Law::Relay,
                    self.gateway_tap,
                    self.tops.lock().unwrap().clone(),
                )
            });
        }
        plan.text.push("gateway:".to_owned());
        plan.text.extend(
            self.text
                .lock()
                .unwrap()
                .iter()
                .map(|line| format!("  {line}")),
        );
    }
}

/// An exporter to this host, over one of our protocols.
pub fn exporter(rng: &mut Rng, host: &'static str) -> (BoxExporter, String) {
    let time = Duration::from_millis(rng.u64(500..6_000));
    let compression = match rng.u8(0..3) {
        0 => Compression::Gzip,
        1 => Compression::Zstd,
        _ => Compression::None,
    };
    let endpoint = format!("http://{host}:{PORT}");
    if rng.bool() {
        let exporter = OtlpGrpcExporter::builder()
            .endpoint(endpoint.clone())
            .timeout(time)
            .compression(compression)
            .build_on(wire::channel(endpoint))
            .expect("can work");
        let text = format!("OTLP/gRPC to {host}, {compression:?}, timeout {time:?}");
        return (exporter.boxed_exporter(), text);
    }
    let encoding = match rng.bool() {
        true => Encoding::Json,
        false => Encoding::Protobuf,
    };
    let exporter = OtlpHttpExporter::builder()
        .endpoint(endpoint)
        .timeout(time)
        .compression(compression)
        .encoding(encoding)
        .build_on(wire::client())
        .expect("can work");
    let text = format!("OTLP/HTTP to {host}, {encoding:?}, {compression:?}, timeout {time:?}");
    (exporter.boxed_exporter(), text)
}

/// Runs a seed.
pub fn run(seed: u64, detail: Detail) -> Result<Totals, Violation> {
    fastrand::seed(seed);
    let mut rng = Rng::with_seed(seed ^ 0x6e65_7477_6f72_6b00);
    let mut sim = Builder::new()
        .rng_seed(seed)
        .tick_duration(Duration::from_millis(20))
        .simulation_duration(PATIENCE)
        .min_message_latency(Duration::from_millis(1))
        .max_message_latency(Duration::from_millis(rng.u64(2..150)))
        .tcp_capacity(1_024)
        .build();
    let world = World::new(detail);
    let (backend, number, text) = Backend::new(&mut rng, &world);
    let place = Place {
        nodes: Arc::default(),
        tops: Arc::default(),
        goals: Arc::default(),
        text: Arc::default(),
        gateway_tap: world.new_tap(),
        backend_tap: world.new_tap(),
        world: world.clone(),
        backend,
        number,
    };
    let has_gateway = rng.bool();
    let links: &[_] = match has_gateway {
        true => &[("client", "gateway"), ("gateway", "backend")],
        false => &[("client", "backend")],
    };
    let at = place.clone();
    sim.host("backend", move || {
        let backend = at.backend.clone().boxed_exporter();
        let pipeline = Tap::at(backend, "at the backend", &at.world, at.backend_tap);
        wire::serve(PORT, pipeline, None)
    });
    if has_gateway {
        let (at, seed) = (place.clone(), rng.u64(..));
        let budget = AdmissionBudget::new(rng.usize(300..20_000)).expect("can work");
        sim.host("gateway", move || {
            let (at, budget) = (at.clone(), budget.clone());
            async move { wire::serve(PORT, at.gateway(seed), Some(budget)).await }
        });
    }
    let mut events = storm(&mut rng, links);
    let mut plan_text = vec![text];
    plan_text.extend(
        events
            .iter()
            .map(|(at, event)| format!("{at:?}: {event:?}")),
    );
    let result = Arc::new(Mutex::new(None));
    let (out, at) = (result.clone(), place.clone());
    sim.client("client", async move {
        let lifecycle = Lifecycle::new();
        let host = if has_gateway { "gateway" } else { "backend" };
        let exits = vec![at.exit(host)];
        let pipeline = super::pipeline::pipeline(&mut rng, &at.world, &lifecycle, exits);
        let settled = settle(at.world.clone(), lifecycle.clone());
        let run = drive(rng, &at.world, &lifecycle, pipeline, settled).await;
        *out.lock().unwrap() = Some(run);
        Ok(())
    });
    events.reverse();
    let stuck = loop {
        while events.last().is_some_and(|(at, _)| *at <= sim.elapsed()) {
            if let Some((at, event)) = events.pop() {
                world.note_at(at, &"network".into(), format!("{event:?}"));
                event.happen(&mut sim);
            }
        }
        match sim.step() {
            Ok(true) => break None,
            Ok(false) => {}
            Err(error) => break Some(error.to_string()),
        }
    };
    drop(sim);
    let run = result.lock().unwrap().take();
    let mut run = match (run, stuck) {
        (Some(run), None) => run?,
        (_, why) => {
            let trail = world.see().trail(None);
            let what = format!("the client does not end: {why:?}");
            return Err(Violation {
                what,
                plan: plan_text,
                trail,
            });
        }
    };
    place.into_plan(&mut run.plan, has_gateway);
    run.plan.text.extend(plan_text);
    finished(&run, detail)
}

/// Waits until nothing is held, or under way at any place.
async fn settle(world: World, lifecycle: Lifecycle) -> bool {
    let is_busy = |world: &World| world.see().calls.iter().any(|call| call.ended.is_none());
    let settled = async {
        while !lifecycle.report().complete || is_busy(&world) {
            sleep(Duration::from_millis(500)).await;
        }
    };
    timeout(PATIENCE / 2, settled).await.is_ok()
}
