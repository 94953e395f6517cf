//! One seed: callers, a shutdown, and the wait until all is settled.

use std::time::Duration;

use fastrand::Rng;
use futures_util::FutureExt;
use tokio::time::{sleep, timeout};
use tower::{Service, ServiceExt};
use tower_otlp::{
    BoxExporter, DrainReport, ExportError, ExportRequest, ExportResponse, Lifecycle, Signal,
};

use super::{
    backend::Expected,
    check, items,
    pipeline::{Pipeline, Plan, pipeline},
    tap::describe,
    world::World,
};

/// Longer than any schedule and all its waits.
pub const PATIENCE: Duration = Duration::from_secs(6 * 60 * 60);

/// What a caller knows of its request.
enum Ending {
    Answered(Result<ExportResponse, ExportError>),
    /// The caller went away, or a panic of the backend reached it: it still has the telemetry.
    Left,
}

#[derive(Clone, Copy, Default)]
pub struct Totals {
    pub items: u64,
    pub requests: u64,
    pub duplicates: u64,
    /// Calls that were checked, layer by layer.
    pub calls: u64,
    /// Runs in which every count is the number of items that it is about.
    pub exact: u64,
    pub workers: u64,
}

pub struct Violation {
    pub what: String,
    pub plan: Vec<String>,
    pub trail: String,
}

/// Everything that was seen, to be judged.
pub struct Run {
    pub plan: Plan,
    pub requests: u64,
    pub items: u64,
    pub at_shutdown: Option<DrainReport>,
    /// When a shutdown ran out of time: what ends later is counted by then.
    pub closed: Option<Duration>,
    pub last: DrainReport,
    pub broken_sums: Vec<String>,
    pub world: World,
}

/// How much of a run is to be known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Detail {
    /// Whether it kept the law.
    Result,
    /// What happened, if it did not.
    Trail,
    /// What happened in any case.
    Everything,
}

/// Runs a seed.
pub fn run(seed: u64, detail: Detail) -> Result<Totals, Violation> {
    // The layers draw their waits from the generator of the thread.
    fastrand::seed(seed);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    runtime.block_on(simulate(seed, detail))
}

async fn simulate(seed: u64, detail: Detail) -> Result<Totals, Violation> {
    let mut rng = Rng::with_seed(seed);
    let world = World::new(detail);
    let lifecycle = Lifecycle::new();
    let pipeline = pipeline(&mut rng, &world, &lifecycle, Vec::new());
    let run = drive(rng, &world, &lifecycle, pipeline, no_task_is_left()).await?;
    finished(&run, detail)
}

/// All handles are gone: workers deliver what they have, and end. Whether they do.
async fn no_task_is_left() -> bool {
    let mut wait = Duration::from_millis(10);
    while tokio::runtime::Handle::current()
        .metrics()
        .num_alive_tasks()
        > 0
    {
        if wait > PATIENCE {
            return false;
        }
        sleep(wait).await;
        wait *= 2;
    }
    true
}

/// Compares what was seen with the law.
pub fn finished(run: &Run, detail: Detail) -> Result<Totals, Violation> {
    if detail == Detail::Everything {
        println!("pipeline, outermost first:\n{}\n", run.plan.text.join("\n"));
        println!("{}", run.world.see().trail(None));
    }
    check::judge(run).map_err(|(what, id)| Violation {
        what,
        plan: run.plan.text.clone(),
        trail: run.world.see().trail(id),
    })
}

/// Callers, a flush or a shutdown, and the wait until all is settled.
pub async fn drive(
    mut rng: Rng,
    world: &World,
    lifecycle: &Lifecycle,
    pipeline: Pipeline,
    settled: impl Future<Output = bool>,
) -> Result<Run, Violation> {
    let Pipeline { service, plan } = pipeline;
    let mut callers = Vec::new();
    let mut next = 1;
    for number in 0..rng.usize(1..=4) {
        let work = plan_caller(&mut rng, &mut next);
        let service = service.clone();
        callers.push(tokio::spawn(caller(number, service, work, world.clone())));
    }
    let items = next - 1;

    let shutdown = rng.bool().then(|| {
        let deadlines = [0, 10, 1_000, 10_000, 60_000, 3_600_000];
        let deadline = Duration::from_millis(deadlines[rng.usize(0..deadlines.len())]);
        (Duration::from_millis(rng.u64(0..40_000)), deadline)
    });
    let drop_early = rng.bool();
    let mut service = Some(service);
    if drop_early {
        service = None;
    }
    let mut broken_sums = Vec::new();
    let mut closed = None;
    let at_shutdown = match shutdown {
        Some((at, deadline)) => {
            sleep(at).await;
            broken_sums.extend(check::sum(&lifecycle.report(), "before shutdown"));
            world.note(&"lifecycle".into(), &[], || {
                format!("shutdown within {deadline:?}")
            });
            let report = lifecycle.shutdown(deadline).await;
            closed = (!report.complete).then(|| world.now());
            world.note(&"lifecycle".into(), &[], || format!("{report:?}"));
            broken_sums.extend(check::sum(&report, "at shutdown"));
            Some(report)
        }
        None => {
            if rng.u8(0..3) == 0 {
                sleep(Duration::from_millis(rng.u64(0..20_000))).await;
                let report = lifecycle
                    .force_flush(Duration::from_secs(rng.u64(0..20)))
                    .await;
                broken_sums.extend(check::sum(&report, "at flush"));
            }
            None
        }
    };
    drop(service);

    let violation = |what: String, plan: &Plan| Violation {
        what,
        plan: plan.text.clone(),
        trail: world.see().trail(None),
    };
    let mut requests = 0;
    for caller in callers {
        match timeout(PATIENCE, caller).await {
            Ok(Ok(done)) => requests += done,
            Ok(Err(error)) => return Err(violation(format!("a caller: {error}"), &plan)),
            Err(_) => return Err(violation("a caller still waits".to_owned(), &plan)),
        }
    }
    if !settled.await {
        return Err(violation("a worker does not end".to_owned(), &plan));
    }
    let last = lifecycle.report();
    world.note(&"lifecycle".into(), &[], || format!("{last:?}"));
    broken_sums.extend(check::sum(&last, "at the end"));
    Ok(Run {
        plan,
        requests,
        items,
        at_shutdown,
        closed,
        last,
        broken_sums,
        world: world.clone(),
    })
}

struct Work {
    wait: Duration,
    request: ExportRequest,
    ids: Vec<u64>,
    patience: Option<Duration>,
    /// Polls once and forgets about it for a while.
    neglects: bool,
    /// Does not wait for the answer before the next request.
    fire: bool,
}

fn plan_caller(rng: &mut Rng, next: &mut u64) -> Vec<Work> {
    let mut out = Vec::new();
    for _ in 0..rng.usize(1..=6) {
        let count = match rng.u8(0..6) {
            0 => rng.u64(0..=1),
            1 => rng.u64(10..=25),
            _ => rng.u64(1..=8),
        };
        let ids: Vec<u64> = (*next..*next + count).collect();
        *next += count;
        let signal = Signal::ALL[rng.usize(0..3)];
        out.push(Work {
            wait: Duration::from_millis(rng.u64(0..8_000)),
            request: items::request(rng, signal, &ids),
            ids,
            patience: (rng.u8(0..4) == 0).then(|| Duration::from_millis(rng.u64(0..10_000))),
            neglects: rng.u8(0..12) == 0,
            fire: rng.bool(),
        });
    }
    out
}

async fn caller(number: usize, service: BoxExporter, work: Vec<Work>, world: World) -> u64 {
    let mut fired = Vec::new();
    let mut done = 0;
    for work in work {
        sleep(work.wait).await;
        let place = format!("caller {number}").into();
        let call = one(service.clone(), work.request, work.patience, work.neglects);
        let world = world.clone();
        let ids = work.ids;
        let task = async move {
            world.note(&place, &ids, || "comes".to_owned());
            let ending = call.await;
            world.note(&place, &ids, || match &ending {
                Ending::Answered(result) => describe(0, result),
                Ending::Left => "left".to_owned(),
            });
        };
        if work.fire {
            fired.push(tokio::spawn(task));
        } else {
            task.await;
            done += 1;
        }
    }
    drop(service);
    for task in fired {
        task.await.expect("panics are caught");
        done += 1;
    }
    done
}

async fn one(
    mut service: BoxExporter,
    request: ExportRequest,
    patience: Option<Duration>,
    neglects: bool,
) -> Ending {
    let call = async move {
        let mut call = service.ready().await?.call(request);
        drop(service);
        if neglects {
            let _ = futures_util::poll!(&mut call);
            sleep(Duration::from_secs(3)).await;
            return Ok(None);
        }
        call.await.map(Some)
    };
    let call = std::panic::AssertUnwindSafe(call).catch_unwind();
    let result = match patience {
        Some(patience) => match timeout(patience, call).await {
            Ok(result) => result,
            Err(_) => return Ending::Left,
        },
        None => call.await,
    };
    match result {
        Ok(Ok(Some(response))) => Ending::Answered(Ok(response)),
        Ok(Ok(None)) => Ending::Left,
        Ok(Err(error)) => Ending::Answered(Err(error)),
        Err(panic) if panic.is::<Expected>() => Ending::Left,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}
