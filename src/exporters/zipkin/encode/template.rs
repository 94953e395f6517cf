//! Tags, sorted and without doubles, at the price of a few copies.
//!
//! Zipkin repeats the tags of resource and scope in every span, and a span has its own between
//! them, by order of keys. Spans of one scope mostly have the same keys in the same order: the
//! text of all tags is then the same but for the values. A [`Template`] is that text, with the
//! places where the values go. It is made when a span comes with keys that no template has.

use std::cmp::Ordering;

use crate::otlp::{AnyValue, Attributes, Scope, Str};

use super::{
    Format, ZipkinOptions,
    endpoint::Positions,
    text::{MapStack, plain},
};

/// How many templates are kept for a scope.
const MOST: usize = 8;

pub(super) const SERVICE_NAME: &str = "service.name";
const ERROR: &[u8] = b"error";

/// What decides about the keys of a span's tags beside those of its attributes: a set of flags.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Extra {
    flags: u8,
    /// Number of links that become tags.
    pub(super) links: usize,
}

impl Extra {
    pub(super) const STATUS: u8 = 1;
    pub(super) const FAILED: u8 = 1 << 1;
    pub(super) const TRACE_STATE: u8 = 1 << 2;
    pub(super) const DROPPED_ATTRIBUTES: u8 = 1 << 3;
    pub(super) const DROPPED_EVENTS: u8 = 1 << 4;
    pub(super) const DROPPED_LINKS: u8 = 1 << 5;
    pub(super) const INTERNAL: u8 = 1 << 6;

    pub(super) const fn set_if(&mut self, flag: u8, set: bool) {
        if set {
            self.flags |= flag;
        }
    }

    pub(super) const fn has(self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// Where the value of a tag comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// An attribute of the span, by its position.
    Attribute(usize),
    Status,
    StatusMessage,
    TraceState,
    DroppedAttributes,
    DroppedEvents,
    DroppedLinks,
    Kind,
    /// A link, by its position.
    Link(usize),
}

/// The tags that go by a flag.
const FLAGGED: [(u8, &[u8], Source); 7] = [
    (Extra::TRACE_STATE, b"w3c.tracestate", Source::TraceState),
    (
        Extra::DROPPED_ATTRIBUTES,
        b"otel.dropped_attributes_count",
        Source::DroppedAttributes,
    ),
    (
        Extra::DROPPED_EVENTS,
        b"otel.dropped_events_count",
        Source::DroppedEvents,
    ),
    (
        Extra::DROPPED_LINKS,
        b"otel.dropped_links_count",
        Source::DroppedLinks,
    ),
    (Extra::INTERNAL, b"span.kind", Source::Kind),
    (Extra::STATUS, b"otel.status_code", Source::Status),
    (Extra::FAILED, ERROR, Source::StatusMessage),
];

/// The key of a tag.
#[derive(Clone, Copy)]
enum Key<'a> {
    Text(&'a [u8]),
    Link(usize),
}

impl Key<'_> {
    /// The text of the key: its own, or made in `buffer`.
    fn text<'b>(&'b self, buffer: &'b mut Vec<u8>) -> &'b [u8] {
        match self {
            Key::Text(text) => text,
            Key::Link(number) => {
                buffer.clear();
                buffer.extend_from_slice(b"otlp.link.");
                super::text::integer(buffer, *number);
                buffer
            }
        }
    }
}

/// A tag of resource and scope: its value is a part of [`Tags::base_text`].
#[derive(Clone, Copy)]
struct Base<'a> {
    key: &'a [u8],
    start: usize,
    end: usize,
}

/// Where a value goes.
#[derive(Clone, Copy)]
pub(super) struct Step {
    /// End of the tags of resource and scope before it.
    pub(super) run_end: usize,
    /// End of its own key.
    pub(super) end: usize,
    pub(super) source: Source,
}

/// The text of all tags of a span but for the values of its own.
#[derive(Default)]
pub(super) struct Template<'a> {
    keys: Vec<&'a [u8]>,
    extra: Extra,
    pub(super) text: Vec<u8>,
    pub(super) steps: Vec<Step>,
    pub(super) ends: Positions,
}

impl Default for Positions {
    fn default() -> Self {
        Positions::NONE
    }
}

/// The tags of one scope.
#[derive(Default)]
pub(super) struct Tags<'a> {
    base: Vec<Base<'a>>,
    base_text: Vec<u8>,
    templates: Vec<Template<'a>>,
    /// How many of the templates are of this scope.
    used: usize,
    /// Which is replaced next once there are too many.
    oldest: usize,
    // What is only needed while a template or a base is made: kept for its memory.
    base_list: Vec<(&'a [u8], usize, AnyValue<'a>)>,
    list: Vec<(Key<'a>, usize, Source)>,
    keys: [Vec<u8>; 2],
}

impl<'a> Tags<'a> {
    /// Begins a scope: renders what resource and scope say, once.
    pub(super) fn begin(
        &mut self,
        resource: Attributes<'a>,
        names_service: bool,
        scope: &Scope<'a>,
        options: &ZipkinOptions,
        stack: &mut MapStack<'a>,
    ) {
        let list = &mut self.base_list;
        list.clear();
        let mut add = |key: &'a [u8], value| {
            if key != ERROR {
                list.push((key, list.len(), value));
            }
        };
        for (key, value) in resource {
            if !(names_service && key == SERVICE_NAME) {
                add(key.as_bytes(), value);
            }
        }
        for (key, value) in scope.attributes() {
            add(key.as_bytes(), value);
        }
        let mut add_text = |key: &'static str, text: Str<'a>| {
            if !text.is_empty() {
                add(key.as_bytes(), AnyValue::Str(text));
            }
        };
        add_text("otel.scope.name", scope.name());
        add_text("otel.scope.version", scope.version());
        if options.library_tags {
            add_text("otel.library.name", scope.name());
            add_text("otel.library.version", scope.version());
        }
        list.sort_unstable_by(|left, right| (left.0, left.1).cmp(&(right.0, right.1)));
        self.base.clear();
        self.base_text.clear();
        for (position, &(key, _, value)) in list.iter().enumerate() {
            if list.get(position + 1).is_some_and(|next| next.0 == key) {
                continue;
            }
            let start = self.base_text.len();
            plain(&mut self.base_text, value, stack);
            let end = self.base_text.len();
            self.base.push(Base { key, start, end });
        }
        (self.used, self.oldest) = (0, 0);
    }

    /// The template for a span with these attributes and this besides.
    #[inline]
    pub(super) fn template<F: Format>(
        &mut self,
        attributes: &[(Str<'a>, AnyValue<'a>)],
        extra: Extra,
    ) -> &Template<'a> {
        let used = self.templates.get(..self.used).unwrap_or_default();
        let found = used.iter().position(|template| {
            template.extra == extra
                && template.keys.len() == attributes.len()
                && template
                    .keys
                    .iter()
                    .zip(attributes)
                    .all(|(key, (name, _))| *key == name.as_bytes())
        });
        let position = match found {
            Some(position) => position,
            None => self.make::<F>(attributes, extra),
        };
        &self.templates[position]
    }

    /// Makes a template, in the place of the oldest if there are too many, and says where.
    #[cold]
    fn make<F: Format>(&mut self, attributes: &[(Str<'a>, AnyValue<'a>)], extra: Extra) -> usize {
        let position = if self.used < MOST {
            self.used += 1;
            self.used - 1
        } else {
            self.oldest = (self.oldest + 1) % MOST;
            self.oldest
        };
        if self.templates.len() <= position {
            self.templates.push(Template::default());
        }
        self.sort(attributes, extra);
        let template = &mut self.templates[position];
        template.extra = extra;
        template.keys.clear();
        template.steps.clear();
        template.text.clear();
        template.ends = Positions::NONE;
        template.keys.reserve(attributes.len());
        template.steps.reserve(self.list.len());
        template
            .text
            .reserve(2 * self.base_text.len() + 32 * self.list.len());
        for (position, (key, _)) in attributes.iter().enumerate() {
            template.keys.push(key.as_bytes());
            template.ends.note(key.as_bytes(), position);
        }
        // A merge of two sorted lists; where keys are equal the span's own counts.
        let text = &mut template.text;
        let (mut base, mut own) = (self.base.iter().peekable(), self.list.iter().peekable());
        let buffer = &mut self.keys[0];
        loop {
            let order = match (base.peek(), own.peek()) {
                (None, None) => break,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(base), Some((key, ..))) => base.key.cmp(key.text(buffer)),
            };
            if order != Ordering::Greater
                && let Some(tag) = base.next()
                && order == Ordering::Less
            {
                F::tag(text, tag.key, &self.base_text[tag.start..tag.end]);
            }
            if order == Ordering::Greater
                && let Some((key, _, source)) = own.next()
            {
                let run_end = text.len();
                F::tag_key(text, key.text(buffer));
                template.steps.push(Step {
                    run_end,
                    end: text.len(),
                    source: *source,
                });
            }
        }
        F::end_tags(text);
        position
    }

    /// Lists the span's own tags, sorted, each key once: the last of its kind.
    fn sort(&mut self, attributes: &[(Str<'a>, AnyValue<'a>)], extra: Extra) {
        let list = &mut self.list;
        list.clear();
        for (position, (key, _)) in attributes.iter().enumerate() {
            // Zipkin shows a span with this tag as failed, so only the status may set it.
            if key.as_bytes() != ERROR {
                let source = Source::Attribute(position);
                list.push((Key::Text(key.as_bytes()), list.len(), source));
            }
        }
        for (flag, key, source) in FLAGGED {
            if extra.has(flag) {
                list.push((Key::Text(key), list.len(), source));
            }
        }
        for number in 0..extra.links {
            list.push((Key::Link(number), list.len(), Source::Link(number)));
        }
        let [left_key, right_key] = &mut self.keys;
        list.sort_unstable_by(|left, right| {
            let (left_text, right_text) = (left.0.text(left_key), right.0.text(right_key));
            (left_text, left.1).cmp(&(right_text, right.1))
        });
        // Of equal keys the first stands where the last should.
        list.dedup_by(|later, earlier| {
            let same = later.0.text(left_key) == earlier.0.text(right_key);
            if same {
                *earlier = *later;
            }
            same
        });
    }
}
