//! Where in a request the encoder stands. Cloned, so that it can go back.

use crate::otlp::{Repeated, Resource, ResourceGroup, Resources, Scope, ScopeGroup, Span, Traces};

#[derive(Clone)]
pub(super) struct Position<'a> {
    resources: Resources<'a, Span<'a>>,
    group: Option<ResourceGroup<'a, Span<'a>>>,
    scopes: Repeated<'a, ScopeGroup<'a, Span<'a>>>,
    scope: Option<Scope<'a>>,
    spans: Repeated<'a, Span<'a>>,
    /// `spans` as it was before the last one.
    before: Repeated<'a, Span<'a>>,
    /// Number of spans passed.
    item: u64,
    is_new_scope: bool,
}

pub(super) struct Next<'a> {
    pub(super) span: Span<'a>,
    pub(super) scope: Scope<'a>,
    pub(super) is_new_scope: bool,
    pub(super) item: u64,
}

impl<'a> Position<'a> {
    pub(super) fn new(traces: Traces<'a>) -> Self {
        Self {
            resources: traces.resources(),
            group: None,
            scopes: Repeated::new(&[]),
            scope: None,
            spans: Repeated::new(&[]),
            before: Repeated::new(&[]),
            item: 0,
            is_new_scope: false,
        }
    }

    pub(super) const fn item(&self) -> u64 {
        self.item
    }

    /// The resource of the spans that come next.
    pub(super) fn resource(&self) -> Resource<'a> {
        match &self.group {
            Some(group) => group.resource(),
            None => crate::otlp::View::view(&[]),
        }
    }

    /// Size of this resource with all its spans in the request, in bytes.
    pub(super) fn group_size(&self) -> usize {
        self.group.map_or(0, |group| group.as_bytes().len())
    }

    /// Moves to the next resource that has spans left, this one first. `None` if there is none.
    pub(super) fn skip_empty(&mut self) -> Option<()> {
        while !self.skip_empty_scopes() {
            self.enter(self.resources.clone().next()?);
        }
        Some(())
    }

    /// The next span of this resource, or of one behind it that is the same.
    #[inline]
    pub(super) fn next(&mut self) -> Option<Next<'a>> {
        while !self.skip_empty_scopes() {
            let group = self.resources.clone().next()?;
            if group.resource().as_bytes() != self.resource().as_bytes() {
                return None;
            }
            self.enter(group);
        }
        self.before = self.spans;
        let Some(span) = self.spans.next() else {
            // Impossible after a check; what cannot be read must not be tried for ever.
            self.spans = Repeated::new(&[]);
            return None;
        };
        let item = self.item;
        self.item += 1;
        Some(Next {
            span,
            scope: self.scope?,
            is_new_scope: std::mem::take(&mut self.is_new_scope),
            item,
        })
    }

    /// Takes the last span back.
    pub(super) fn back(&mut self) {
        self.spans = self.before;
        self.item -= 1;
    }

    fn enter(&mut self, group: ResourceGroup<'a, Span<'a>>) {
        let _same = self.resources.next();
        self.scopes = group.scopes();
        self.group = Some(group);
    }

    /// Whether there are spans left in this resource.
    #[inline]
    fn skip_empty_scopes(&mut self) -> bool {
        while self.spans.is_empty() {
            let Some(scope) = self.scopes.next() else {
                return false;
            };
            self.spans = scope.items();
            self.scope = Some(scope.scope());
            self.is_new_scope = true;
        }
        true
    }
}
