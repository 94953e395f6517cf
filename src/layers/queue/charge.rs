//! What requests count for in bytes, and what they may hold for it.

use super::{Acknowledge, Entry, shared::Shared};
use crate::{ErrorKind, ExportError, ExportRequest};

/// What a stored request costs beside its own size: its place in the storage, its ticket.
const OVERHEAD: usize = 624;

/// What it costs in addition that somebody waits for the answer.
const WAITING: usize = 136;

impl Shared {
    /// What a request counts for, in bytes.
    fn size(&self, request: &ExportRequest) -> usize {
        let waiting = match self.config.acknowledge {
            Acknowledge::OnDelivery => WAITING,
            Acknowledge::OnEnqueue => 0,
        };
        let overhead = OVERHEAD + waiting;
        request.memory_size().saturating_add(overhead)
    }

    /// What a request counts for, or why it never fits.
    pub(super) fn charge(&self, request: &ExportRequest) -> Result<u32, ExportError> {
        let size = self.size(request);
        match u32::try_from(size) {
            Ok(charge) if size <= self.config.max_bytes => Ok(charge),
            _ => Err(ExportError::new(
                ErrorKind::TooLarge,
                format!(
                    "a request of {size} bytes never fits into a queue of {} bytes",
                    self.config.max_bytes
                ),
            )),
        }
    }

    /// Makes a request that waits for the dead letter exporter hold no more than it counts for.
    pub(super) fn fit(&self, entry: &mut Entry) {
        if self.size(&entry.request) as u64 > entry.charge {
            entry.request = entry.request.clone().without_forms();
        }
    }

    /// Adapts the charge of a request that comes back to what it holds by now; what that frees.
    ///
    /// The forms of the body that the attempt has made, JSON or compressed, are kept for the next
    /// one if there is room for them; requests that wait for that room go first.
    pub(super) fn recharge(&self, entry: &mut Entry) -> u64 {
        // What is kept elsewhere than in memory is kept without its forms.
        if !self.survives {
            entry.request = entry.request.clone().without_steps();
            let size = self.size(&entry.request) as u64;
            let more = size.saturating_sub(entry.charge);
            let room = u32::try_from(more)
                .ok()
                .and_then(|more| self.room.try_acquire_many(more).ok());
            if let Some(room) = room {
                room.forget();
                let less = entry.charge.saturating_sub(size);
                entry.charge = size;
                return less;
            }
        }
        entry.request = entry.request.clone().without_forms();
        let size = self.size(&entry.request) as u64;
        let less = entry.charge.saturating_sub(size);
        entry.charge -= less;
        less
    }
}
