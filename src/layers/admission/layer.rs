use tower_layer::Layer;

use super::{Admission, AdmissionBudget};

/// Applies [`Admission`] to a service. All services made by it share one budget. See the
/// [module](super).
#[derive(Clone, Debug)]
pub struct AdmissionLayer {
    budget: AdmissionBudget,
}

impl AdmissionLayer {
    /// Admits by this budget.
    #[must_use]
    pub const fn new(budget: AdmissionBudget) -> Self {
        Self { budget }
    }
}

impl<S> Layer<S> for AdmissionLayer {
    type Service = Admission<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Admission::new(inner, self.budget.clone())
    }
}
