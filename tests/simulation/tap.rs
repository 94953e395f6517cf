//! A window between two layers.

use std::{
    cell::Cell,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use tower::Service;
use tower_otlp::{BoxExporter, ExportError, ExportRequest, ExportResponse, ExporterExt};

use super::{
    items,
    world::{Answer, World},
};

/// Which call a request of a worker belongs to.
const MARK: &str = "sim-call";

thread_local! {
    /// The call that is at work: what is called meanwhile is called by it.
    static AT_WORK: Cell<Option<usize>> = const { Cell::new(None) };
}

/// Puts back what was there, also after a panic.
struct Within(Option<usize>);

impl Within {
    fn call(number: usize) -> Self {
        Self(AT_WORK.replace(Some(number)))
    }
}

impl Drop for Within {
    fn drop(&mut self) {
        AT_WORK.set(self.0);
    }
}

#[derive(Clone)]
pub struct Tap {
    inner: BoxExporter,
    place: Arc<str>,
    number: usize,
    world: World,
    marks: bool,
}

impl Tap {
    /// Watches what goes into `inner`, which is called by this name; with the tap's number.
    pub fn over(
        inner: BoxExporter,
        place: impl Into<Arc<str>>,
        world: &World,
    ) -> (BoxExporter, usize) {
        Self::made(inner, place, world, false)
    }

    /// Like `over`; what goes past is marked, for a worker below calls from elsewhere.
    pub fn marking(
        inner: BoxExporter,
        place: impl Into<Arc<str>>,
        world: &World,
    ) -> (BoxExporter, usize) {
        Self::made(inner, place, world, true)
    }

    /// Like `over`, at a place that has a tap already.
    pub fn at(
        inner: BoxExporter,
        place: impl Into<Arc<str>>,
        world: &World,
        number: usize,
    ) -> BoxExporter {
        let tap = Self {
            inner,
            place: place.into(),
            number,
            world: world.clone(),
            marks: false,
        };
        tap.boxed_exporter()
    }

    fn made(
        inner: BoxExporter,
        place: impl Into<Arc<str>>,
        world: &World,
        marks: bool,
    ) -> (BoxExporter, usize) {
        let number = world.new_tap();
        let tap = Self {
            inner,
            place: place.into(),
            number,
            world: world.clone(),
            marks,
        };
        (tap.boxed_exporter(), number)
    }
}

fn mark(request: &ExportRequest) -> Option<usize> {
    let marks = request.metadata().headers();
    let last = marks.filter(|(name, _)| *name == MARK).last();
    last?.1.parse().ok()
}

impl Service<ExportRequest> for Tap {
    type Response = ExportResponse;
    type Error = ExportError;
    type Future = Watched;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ExportError>> {
        let result = ready!(self.inner.poll_ready(cx));
        if let Err(error) = &result {
            self.world.see().unready.push((self.number, AT_WORK.get()));
            self.world
                .note(&self.place, &[], || format!("unready: {}", error.kind()));
        }
        Poll::Ready(result)
    }

    fn call(&mut self, request: ExportRequest) -> Watched {
        let ids: Arc<[u64]> = items::ids(&request)[..].into();
        let number = self
            .world
            .begin(self.number, AT_WORK.get(), mark(&request), &ids);
        self.world.note(&self.place, &ids, || format!("#{number}"));
        let request = if self.marks {
            let metadata = request.metadata().clone();
            request.with_metadata(metadata.with_header(MARK, number.to_string()))
        } else {
            request
        };
        let seen = Watching {
            ids,
            number,
            place: self.place.clone(),
            world: self.world.clone(),
            done: false,
        };
        let _within = Within::call(number);
        let inner = self.inner.call(request);
        Watched { inner, seen }
    }
}

struct Watching {
    ids: Arc<[u64]>,
    number: usize,
    place: Arc<str>,
    world: World,
    done: bool,
}

// The inner future goes first: what it cut off is noted before this is.
pub struct Watched {
    inner: Pin<Box<dyn Future<Output = Answer> + Send>>,
    seen: Watching,
}

impl Future for Watched {
    type Output = Answer;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Answer> {
        let within = Within::call(self.seen.number);
        let result = ready!(self.inner.as_mut().poll(cx));
        drop(within);
        let seen = &mut self.seen;
        seen.done = true;
        seen.world.end(seen.number, Some(&result));
        seen.world
            .note(&seen.place, &seen.ids, || describe(seen.number, &result));
        Poll::Ready(result)
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        if !self.done {
            self.world.end(self.number, None);
            self.world.note(&self.place, &self.ids, || {
                format!("#{} cut off", self.number)
            });
        }
    }
}

pub fn describe(number: usize, result: &Answer) -> String {
    let counts = |response: &ExportResponse| {
        format!(
            "d{} r{} k{}",
            response.delivered_items(),
            response.rejected_items(),
            response.retained_items()
        )
    };
    match result {
        Ok(response) => format!("#{number} ok {}", counts(response)),
        Err(error) => {
            let mut out = format!("#{number} {} ({:?})", error.kind(), error.retry());
            if let (Some(progress), Some(left)) = (error.progress(), error.remainder()) {
                out += &format!(" after {}, left {:?}", counts(progress), items::ids(left));
            }
            out
        }
    }
}
