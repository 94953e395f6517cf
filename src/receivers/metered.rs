//! Bodies that are paid for from an admission budget as they arrive.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Buf;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tower::BoxError;

use super::status::Refusal;
use crate::{
    ExportError,
    layers::admission::{AdmissionBudget, Reservation},
};

pin_project! {
    /// A body that reserves its size, and ends in an [`ExportError`] when the budget is used up.
    pub(super) struct Metered<B> {
        #[pin]
        body: B,
        arrived: usize,
        reservation: Option<Reservation>,
    }
}

impl<B: Body> Metered<B> {
    /// Reserves what is known of the size of this body before any of it is read.
    pub(super) fn new(body: B, budget: Option<&AdmissionBudget>) -> Result<Self, ExportError> {
        let reservation = match budget {
            Some(budget) => {
                let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
                Some(budget.reserve(announced)?)
            }
            None => None,
        };
        Ok(Self {
            body,
            arrived: 0,
            reservation,
        })
    }
}

impl<B> Metered<B> {
    /// What was reserved, which outlives the body.
    pub(super) fn take_reservation(self: Pin<&mut Self>) -> Option<Reservation> {
        self.project().reservation.take()
    }
}

impl<B> Body for Metered<B>
where
    B: Body<Error: Into<BoxError>>,
{
    type Data = B::Data;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, BoxError>>> {
        let this = self.project();
        let frame = match ready!(this.body.poll_frame(cx)) {
            None => return Poll::Ready(None),
            Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
            Some(Ok(frame)) => frame,
        };
        if let Some(data) = frame.data_ref() {
            *this.arrived = this.arrived.saturating_add(data.remaining());
            if let Some(reservation) = this.reservation
                && let Err(error) = reservation.grow_to(*this.arrived)
            {
                return Poll::Ready(Some(Err(error.into())));
            }
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The refusal of a body that was not read to its end because the budget is used up.
pub(super) fn refused(error: &BoxError) -> Option<Refusal> {
    error.downcast_ref::<ExportError>().map(Refusal::from)
}
