use std::task::{Context, Poll};

use tower_service::Service;

use super::{AdmissionBudget, ResponseFuture, budget::size_of};
use crate::{ExportError, ExportRequest, ExportResponse};

/// Refuses requests that are beyond a budget of bytes. See the [module](super).
///
/// It reserves the size of the protobuf form and of the other forms of the body that are kept at
/// that time. Readiness is the inner service's: a refusal is an answer.
#[derive(Clone, Debug)]
pub struct Admission<S> {
    inner: S,
    budget: AdmissionBudget,
}

impl<S> Admission<S> {
    /// Admits to `inner` by this budget.
    pub const fn new(inner: S, budget: AdmissionBudget) -> Self {
        Self { inner, budget }
    }

    /// The budget.
    pub const fn budget(&self) -> &AdmissionBudget {
        &self.budget
    }

    /// The inner service.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The inner service, mutably.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// Unwraps the inner service.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S> Service<ExportRequest> for Admission<S>
where
    S: Service<ExportRequest, Response = ExportResponse>,
    S::Error: Into<ExportError>,
{
    type Response = ExportResponse;
    type Error = ExportError;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ExportError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: ExportRequest) -> Self::Future {
        match self.budget.reserve(size_of(&request)) {
            Ok(reservation) => ResponseFuture::admitted(self.inner.call(request), reservation),
            Err(error) => ResponseFuture::refused(error),
        }
    }
}
