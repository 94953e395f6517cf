//! What the documents of one scope have in common, written once.

use super::{
    BulkFormat, DocumentIds,
    bulk::Bulk,
    hash::{fnv128, hex_over},
    target::{Id, Routing, Target, is_routing},
    value::{Maps, careful_members, is_geo, plain_members},
};
use crate::{
    Signal,
    otlp::{
        json::write::{key, name, short_field, text_field},
        views::{Attributes, Resource, ResourceGroup, Scope, ScopeGroup, Str, Telemetry, View},
    },
};

/// The resource and the scope of documents, and where those go that do not say it themselves.
#[derive(Default)]
pub(super) struct Group<'a> {
    /// `,"resource":{...},"scope":{...}`
    pub(super) tail: Vec<u8>,
    routing: Routing<'a>,
    scope_name: Str<'a>,
    resource_routing: Routing<'a>,
    resource_length: usize,
    /// Of documents that name a target of their own.
    own: Target,
}

impl<'a> Group<'a> {
    pub(super) fn enter_resource<T>(&mut self, group: &ResourceGroup<'a, T>) {
        self.tail.clear();
        let resource = group.resource();
        write_resource(&mut self.tail, &resource, group.schema_url());
        self.resource_length = self.tail.len();
        self.resource_routing = Routing::of(resource.attributes());
    }

    pub(super) fn enter_scope<T>(&mut self, group: &ScopeGroup<'a, T>) {
        self.tail.truncate(self.resource_length);
        let scope = group.scope();
        write_scope(&mut self.tail, &scope, group.schema_url());
        self.scope_name = scope.name();
        self.routing = Routing::of(scope.attributes()).within(self.resource_routing);
    }

    /// What the resource and the scope say about where documents go.
    pub(super) const fn routing(&self) -> Routing<'a> {
        self.routing
    }

    /// Where the documents of this scope go.
    pub(super) fn resolve(&self, target: &mut Target, format: &BulkFormat, kind: Signal) {
        target.resolve(format, kind, self.routing, self.scope_name);
    }

    /// Writes a document of this kind with `lines`. If the item's own attributes need a second
    /// look, which is what its `false` means, it is written once more with what they say.
    #[inline]
    pub(super) fn write_document(
        &mut self,
        format: &BulkFormat,
        bulk: &mut Bulk,
        (kind, target): (Signal, &Target),
        (item, attributes): (u64, Attributes<'a>),
        lines: impl Fn(&mut Bulk, &[u8], &Target, Option<Routing<'a>>) -> bool,
    ) {
        let start = bulk.text.len();
        bulk.items.push(item);
        if lines(bulk, &self.tail, target, None) {
            return;
        }
        bulk.text.truncate(start);
        let own = Routing::of(attributes);
        let (tail, target) = self.resolve_own(format, kind, own);
        lines(bulk, tail, target, Some(own));
    }

    /// What stands at the end of a document whose own attributes may say where it goes, and where
    /// that is.
    pub(super) fn resolve_own(
        &mut self,
        format: &BulkFormat,
        kind: Signal,
        own: Routing<'a>,
    ) -> (&[u8], &Target) {
        let routing = own.within(self.routing);
        self.own.resolve(format, kind, routing, self.scope_name);
        (&self.tail, &self.own)
    }
}

/// Writes the items of a request one by one: `write` gets the group of each, the targets of these
/// kinds of documents, the item, and its position in the request.
pub(super) fn each_item<'a, T: View<'a>, const KINDS: usize>(
    telemetry: Telemetry<'a, T>,
    format: &BulkFormat,
    kinds: [Signal; KINDS],
    mut write: impl FnMut(&mut Group<'a>, &[Target; KINDS], &T, u64),
) {
    let mut group = Group::default();
    let mut targets = kinds.map(|_| Target::default());
    let mut item = 0;
    for resource in telemetry.resources() {
        group.enter_resource(&resource);
        for scope in resource.scopes() {
            group.enter_scope(&scope);
            for (target, kind) in targets.iter_mut().zip(kinds) {
                group.resolve(target, format, kind);
            }
            for each in scope.items() {
                write(&mut group, &targets, &each, item);
                item += 1;
            }
        }
    }
}

fn write_resource(out: &mut Vec<u8>, resource: &Resource<'_>, schema_url: Str<'_>) {
    out.extend_from_slice(b",\"resource\":{");
    text_field(out, key!("schema_url"), schema_url);
    outer_attributes(out, resource.attributes());
    short_field(
        out,
        key!("dropped_attributes_count"),
        resource.dropped_attributes_count(),
    );
    out.push(b'}');
}

fn write_scope(out: &mut Vec<u8>, scope: &Scope<'_>, schema_url: Str<'_>) {
    out.extend_from_slice(b",\"scope\":{");
    text_field(out, key!("schema_url"), schema_url);
    text_field(out, key!("name"), scope.name());
    text_field(out, key!("version"), scope.version());
    outer_attributes(out, scope.attributes());
    short_field(
        out,
        key!("dropped_attributes_count"),
        scope.dropped_attributes_count(),
    );
    out.push(b'}');
}

/// Writes attributes of a resource, a scope or a link: those that say where a document goes were
/// looked for already.
pub(super) fn outer_attributes(out: &mut Vec<u8>, attributes: Attributes<'_>) {
    if !plain_attributes(out, attributes, Maps::Objects, |_| false) {
        careful_attributes(out, attributes, Maps::Objects, |_| false);
    }
}

/// Writes a field with attributes, unless there are none. `false`, with nothing written, if they
/// need a second look.
#[inline]
pub(super) fn plain_attributes<'a>(
    out: &mut Vec<u8>,
    attributes: Attributes<'a>,
    maps: Maps,
    mut is_special: impl FnMut(&'a [u8]) -> bool,
) -> bool {
    if attributes.is_empty() {
        return true;
    }
    let start = out.len();
    name(out, key!("attributes"));
    out.push(b'{');
    let plain = plain_members(out, attributes, maps, |key, _| {
        is_routing(key) || is_geo(key) || is_special(key)
    });
    if plain {
        out.push(b'}');
    } else {
        out.truncate(start);
    }
    plain
}

/// Writes a field with attributes that need a second look, unless none are left.
pub(super) fn careful_attributes(
    out: &mut Vec<u8>,
    attributes: Attributes<'_>,
    maps: Maps,
    leave_out: impl Fn(&[u8]) -> bool,
) {
    let start = out.len();
    name(out, key!("attributes"));
    out.push(b'{');
    careful_members(out, attributes, maps, |key| {
        is_routing(key) || leave_out(key)
    });
    if out.last() == Some(&b'{') {
        out.truncate(start);
    } else {
        out.push(b'}');
    }
}

impl BulkFormat {
    /// The id of a document that names this one.
    pub(super) fn id<'a>(&self, attribute: Str<'a>) -> Id<'a> {
        match self.ids {
            DocumentIds::Content => Id::Content,
            DocumentIds::Attribute if !attribute.is_empty() => Id::Text(attribute),
            DocumentIds::Server | DocumentIds::Attribute => Id::None,
        }
    }
}

impl Bulk {
    /// Ends a document of which the items are noted. `id` is where its id is to stand, if it is
    /// its hash, and `start` where the document line starts.
    pub(super) fn finish(
        &mut self,
        id: Id<'_>,
        place: Option<usize>,
        target: &Target,
        start: usize,
    ) {
        if let Some(place) = place {
            let start = start.min(self.text.len());
            let (head, document) = self.text.split_at_mut(start);
            let hash = fnv128(&[&target.action, document]);
            if let Some(place) = head.get_mut(place..place + 32) {
                hex_over(place, &hash);
            }
        }
        self.text.push(b'\n');
        self.close(!matches!(id, Id::None));
    }
}
