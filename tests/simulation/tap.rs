//! A window between two layers.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use tower::Service;
use tower_otlp::{BoxExporter, ExportError, ExportRequest, ExportResponse, ExporterExt};

use super::{items, world::World};

#[derive(Clone)]
pub struct Tap {
    inner: BoxExporter,
    place: Arc<str>,
    world: World,
    is_entrance: bool,
}

impl Tap {
    /// Watches what goes into `inner`, which is called by this name.
    pub fn over(inner: BoxExporter, place: impl Into<Arc<str>>, world: &World) -> BoxExporter {
        Self {
            inner,
            place: place.into(),
            world: world.clone(),
            is_entrance: false,
        }
        .boxed_exporter()
    }

    /// Like `over`, where items are accepted.
    pub fn entrance(inner: BoxExporter, world: &World) -> BoxExporter {
        Self {
            inner,
            place: "entrance".into(),
            world: world.clone(),
            is_entrance: true,
        }
        .boxed_exporter()
    }
}

impl Service<ExportRequest> for Tap {
    type Response = ExportResponse;
    type Error = ExportError;
    type Future = Watched;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ExportError>> {
        let result = ready!(self.inner.poll_ready(cx));
        if let Err(error) = &result {
            self.world.unclean();
            self.world
                .note(&self.place, format!("unready: {}", error.kind()), &[]);
        }
        Poll::Ready(result)
    }

    fn call(&mut self, request: ExportRequest) -> Watched {
        let ids: Arc<[u64]> = items::ids(&request)[..].into();
        let number = {
            let mut seen = self.world.see();
            seen.calls += 1;
            if self.is_entrance {
                seen.entered.extend(&ids[..]);
            }
            seen.calls
        };
        self.world.note(&self.place, format!("#{number}"), &ids);
        Watched {
            ids,
            number,
            place: self.place.clone(),
            world: self.world.clone(),
            done: false,
            inner: self.inner.call(request),
        }
    }
}

type Answer = Result<ExportResponse, ExportError>;

pub struct Watched {
    inner: Pin<Box<dyn Future<Output = Answer> + Send>>,
    ids: Arc<[u64]>,
    number: u64,
    place: Arc<str>,
    world: World,
    done: bool,
}

impl Future for Watched {
    type Output = Answer;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Answer> {
        let result = ready!(self.inner.as_mut().poll(cx));
        self.done = true;
        self.world
            .note(&self.place, describe(self.number, &result), &self.ids);
        if result.is_err() {
            self.world.unclean();
        }
        Poll::Ready(result)
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if !self.done {
            self.world.unclean();
            self.world
                .note(&self.place, format!("#{} cut off", self.number), &self.ids);
        }
    }
}

pub fn describe(number: u64, result: &Answer) -> String {
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
