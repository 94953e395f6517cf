//! The batches that are being filled, one for each key: no I/O, no futures.

use std::collections::{BTreeMap, HashMap, VecDeque};

use tokio::time::Instant;

use super::{
    BatchConfig,
    caller::Member,
    key::{Key, common},
};
use crate::{
    ExportRequest, Metadata,
    otlp::{MergeError, OtlpBytes},
};

/// Requests, or pieces of requests, that are sent as one.
pub(super) struct Filling {
    /// When it was begun, in relation to others.
    pub(super) number: u64,
    pub(super) members: Vec<Member>,
    key: Key,
    parts: Vec<ExportRequest>,
    metadata: Metadata,
    items: u64,
    bytes: usize,
    /// `None` is never.
    due: Option<Instant>,
}

impl Filling {
    /// A batch of one request.
    pub(super) fn new(number: u64, key: Key, part: ExportRequest, member: Member) -> Self {
        Self {
            number,
            key,
            metadata: part.metadata().clone(),
            items: part.items(),
            bytes: part.byte_size(),
            parts: vec![part],
            members: vec![member],
            due: None,
        }
    }

    fn add(&mut self, part: ExportRequest, member: Member) {
        self.metadata = common(&self.metadata, part.metadata());
        self.items += part.items();
        self.bytes += part.byte_size();
        self.parts.push(part);
        self.members.push(member);
    }

    /// The request to be sent. A single one goes on as it is.
    pub(super) fn request(&mut self) -> Result<ExportRequest, MergeError> {
        let parts = std::mem::take(&mut self.parts);
        if let [one] = &parts[..] {
            return Ok(one.clone());
        }
        let otlp = OtlpBytes::merge_all(parts.iter().map(ExportRequest::otlp))?;
        Ok(ExportRequest::from(otlp).with_metadata(std::mem::take(&mut self.metadata)))
    }
}

/// All batches that are being filled. They are due in the order in which they were begun.
pub(super) struct Open {
    config: BatchConfig,
    batches: BTreeMap<u64, Filling>,
    by_key: HashMap<Key, u64>,
    next: u64,
}

impl Open {
    pub(super) fn new(config: BatchConfig) -> Self {
        Self {
            config,
            batches: BTreeMap::new(),
            by_key: HashMap::new(),
            next: 0,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.batches.len()
    }

    /// The next number in the order of all that is begun.
    pub(super) const fn number(&mut self) -> u64 {
        let number = self.next;
        self.next += 1;
        number
    }

    pub(super) fn key(&self, request: &ExportRequest) -> Key {
        Key::of(request, &self.config.key_headers)
    }

    pub(super) fn is_oversize(&self, request: &ExportRequest) -> bool {
        !self.fits(request.items(), request.byte_size())
    }

    const fn fits(&self, items: u64, bytes: usize) -> bool {
        items <= self.config.max_items && bytes <= self.config.max_bytes
    }

    /// Adds a part that is not oversize to the batch of its key. Batches that are thereby full, or
    /// make room for a new key, go to `ready`.
    pub(super) fn add(
        &mut self,
        part: ExportRequest,
        member: Member,
        ready: &mut VecDeque<Filling>,
    ) {
        let key = self.key(&part);
        if let Some(number) = self.by_key.get(&key).copied()
            && let Some(batch) = self.batches.get_mut(&number)
        {
            let items = batch.items.saturating_add(part.items());
            let bytes = batch.bytes.saturating_add(part.byte_size());
            let config = &self.config;
            if items <= config.max_items && bytes <= config.max_bytes {
                batch.add(part, member);
                if items == config.max_items || bytes == config.max_bytes {
                    ready.extend(self.remove(number));
                }
                return;
            }
            ready.extend(self.remove(number));
        }
        let number = self.number();
        let mut batch = Filling::new(number, key.clone(), part, member);
        if batch.items >= self.config.max_items || batch.bytes >= self.config.max_bytes {
            ready.push_back(batch);
            return;
        }
        if self.batches.len() >= self.config.max_keys {
            ready.extend(self.pop_oldest());
        }
        batch.due = Instant::now().checked_add(self.config.timeout);
        self.by_key.insert(key, number);
        self.batches.insert(number, batch);
    }

    fn oldest(&self) -> Option<&Filling> {
        self.batches.first_key_value().map(|(_, batch)| batch)
    }

    /// When the next batch has waited long enough.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.oldest()?.due
    }

    /// The number of the oldest batch, if it has waited long enough.
    pub(super) fn due(&self, now: Instant) -> Option<u64> {
        let oldest = self.oldest()?;
        (oldest.due? <= now).then_some(oldest.number)
    }

    pub(super) fn pop_oldest(&mut self) -> Option<Filling> {
        let number = self.oldest()?.number;
        self.remove(number)
    }

    fn remove(&mut self, number: u64) -> Option<Filling> {
        let batch = self.batches.remove(&number)?;
        self.by_key.remove(&batch.key);
        Some(batch)
    }
}
