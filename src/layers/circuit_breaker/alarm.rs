use std::task::{Context, Poll};

use tokio_util::sync::ReusableBoxFuture;

use crate::Stage;

/// Rings whenever a flush or a shutdown begins, or a flush ends. It is made when a handle first
/// has to wait.
#[derive(Debug)]
pub(super) struct Alarm {
    change: Option<ReusableBoxFuture<'static, Stage>>,
}

impl Alarm {
    pub(super) const fn new() -> Self {
        Self { change: None }
    }

    /// Ready once for each change since the last time, at least. The first one may be an old one.
    pub(super) fn poll(&mut self, stage: &Stage, cx: &mut Context<'_>) -> Poll<()> {
        let change = self
            .change
            .get_or_insert_with(|| ReusableBoxFuture::new(next(stage.clone())));
        change.poll(cx).map(|stage| change.set(next(stage)))
    }
}

/// Hands the stage back: it remembers what it has seen.
async fn next(mut stage: Stage) -> Stage {
    stage.changed().await;
    stage
}
