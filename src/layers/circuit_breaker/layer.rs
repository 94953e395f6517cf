use std::sync::Arc;

use tower_layer::Layer;

use super::{
    CircuitBreaker, CircuitBreakerPolicy, CircuitHandle,
    circuit::Circuit,
    service::{Mode, Settings},
};
use crate::InvalidConfig;

/// Applies [`CircuitBreaker`] to a service. See the [module](super).
///
/// Every service it is applied to gets a circuit of its own, unless they are
/// [shared](Self::shared).
#[derive(Clone, Debug)]
pub struct CircuitBreakerLayer {
    settings: Settings,
    circuit: Option<CircuitHandle>,
}

impl CircuitBreakerLayer {
    /// While the circuit is open the service is not ready: for use below a queue, which keeps the
    /// requests.
    ///
    /// # Errors
    /// If a setting of the policy makes no sense, such as zero probes.
    pub fn pending(policy: CircuitBreakerPolicy) -> Result<Self, InvalidConfig> {
        Self::checked(policy, Mode::Pending)
    }

    /// While the circuit is open requests fail at once with
    /// [`CircuitOpen`](crate::ErrorKind::CircuitOpen): for use below a fallback or a retry.
    ///
    /// # Errors
    /// If a setting of the policy makes no sense, such as zero probes.
    pub fn error(policy: CircuitBreakerPolicy) -> Result<Self, InvalidConfig> {
        Self::checked(policy, Mode::Error)
    }

    fn checked(policy: CircuitBreakerPolicy, mode: Mode) -> Result<Self, InvalidConfig> {
        policy.check()?;
        Ok(Self {
            settings: Settings { policy, mode },
            circuit: None,
        })
    }

    /// One circuit for all services that this layer is applied to from now on, and a handle that
    /// tells its state: for one backend behind several stacks, and for observers.
    #[must_use]
    pub fn shared(self) -> (Self, CircuitHandle) {
        let circuit = Circuit::new(self.settings.policy.clone());
        let handle = CircuitHandle::new(Arc::new(circuit));
        let layer = Self {
            circuit: Some(handle.clone()),
            ..self
        };
        (layer, handle)
    }
}

impl<S> Layer<S> for CircuitBreakerLayer {
    type Service = CircuitBreaker<S>;

    fn layer(&self, inner: S) -> CircuitBreaker<S> {
        let circuit = match &self.circuit {
            Some(handle) => handle.circuit(),
            None => Arc::new(Circuit::new(self.settings.policy.clone())),
        };
        CircuitBreaker::of(inner, circuit, self.settings.mode)
    }
}
