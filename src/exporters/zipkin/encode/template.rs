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
    attribute::{Keys, Value},
    blocks::PADDING,
    endpoint::Positions,
    parts::Parts,
    text::{MapStack, plain},
};

/// How many templates are kept for a request, and how many lists of keys.
const MOST: usize = 16;

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

/// A tag of resource and scope, written whole into [`Tags::base_text`].
#[derive(Clone, Copy)]
struct Base<'a> {
    key: &'a [u8],
    start: usize,
    end: usize,
}

/// A tag of the span itself: its key is written in [`Template::own_text`].
struct Own<'a> {
    key: Key<'a>,
    source: Source,
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
    /// The list of keys it is for, by its position.
    shape: usize,
    extra: Extra,
    /// The span's own tags, sorted, each key once.
    own: Vec<Own<'a>>,
    /// The text of their keys.
    own_text: Vec<u8>,
    /// The scope the text was made for, by its number.
    scope: usize,
    /// With [`PADDING`] behind it.
    pub(super) text: Vec<u8>,
    /// Length of the text without what pads it.
    pub(super) end: usize,
    pub(super) steps: Vec<Step>,
}

/// The keys that spans of one kind have.
#[derive(Default)]
struct Shape<'a> {
    keys: Keys<'a>,
    ends: Positions,
}

impl Default for Positions {
    fn default() -> Self {
        Positions::NONE
    }
}

/// The tags of the spans of a request.
#[derive(Default)]
pub(super) struct Tags<'a> {
    /// Number of the scope that was begun last.
    scope: usize,
    base: Vec<Base<'a>>,
    base_text: Vec<u8>,
    shapes: Vec<Shape<'a>>,
    templates: Vec<Template<'a>>,
    /// How many of the shapes and of the templates are in use: the others keep their memory.
    shapes_used: usize,
    templates_used: usize,
    /// The shape of the span before.
    last: usize,
    // What is only needed while a template or a base is made: kept for its memory.
    base_list: Vec<(&'a [u8], usize, AnyValue<'a>)>,
    list: Vec<(Key<'a>, usize, Source)>,
    buffers: [Vec<u8>; 2],
}

impl<'a> Tags<'a> {
    /// Begins a scope: renders what resource and scope say, once.
    pub(super) fn begin<F: Format>(
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
        let text = &mut self.buffers[0];
        for (position, &(key, _, value)) in list.iter().enumerate() {
            if list.get(position + 1).is_some_and(|next| next.0 == key) {
                continue;
            }
            let start = self.base_text.len();
            text.clear();
            plain(text, value, stack);
            F::tag(&mut self.base_text, key, text);
            let end = self.base_text.len();
            self.base.push(Base { key, start, end });
        }
        self.scope += 1;
    }

    /// Reads a span and the values of its attributes.
    #[inline]
    pub(super) fn read(
        &mut self,
        span: &'a [u8],
        parts: &mut Parts<'a>,
        values: &mut Vec<Value<'a>>,
    ) {
        if self.shapes_used == 0 {
            // One without attributes is as good as any.
            self.last = self.find(&[], values);
        }
        // Mostly a span has the keys of the one before.
        let likely = &self.shapes[self.last].keys;
        if !parts.read(span, likely, values) {
            self.last = self.find(parts.attributes().as_bytes(), values);
        }
    }

    /// Where among the attributes that were just read those stand that tell an end.
    pub(super) fn ends(&self) -> &Positions {
        &self.shapes[self.last].ends
    }

    /// Finds the shape of these attributes, or makes it.
    #[cold]
    fn find(&mut self, attributes: &'a [u8], values: &mut Vec<Value<'a>>) -> usize {
        let used = self.shapes.get(..self.shapes_used).unwrap_or_default();
        let is_all = |behind: &[u8]| behind.is_empty();
        if let Some(found) = used.iter().position(|shape| {
            let behind = shape.keys.read_values(attributes, values);
            behind.is_some_and(is_all)
        }) {
            return found;
        }
        if used.len() >= MOST {
            self.forget();
        }
        let position = self.shapes_used;
        self.shapes_used += 1;
        if self.shapes.len() <= position {
            self.shapes.push(Shape::default());
        }
        let shape = &mut self.shapes[position];
        shape.keys.read(attributes, values);
        shape.ends = Positions::NONE;
        for (position, key) in shape.keys.iter().enumerate() {
            shape.ends.note(key, position);
        }
        position
    }

    /// Starts anew once there are too many shapes or templates.
    const fn forget(&mut self) {
        (self.shapes_used, self.templates_used, self.last) = (0, 0, 0);
    }

    /// The template for the span whose attributes were just read, and this besides.
    #[inline]
    pub(super) fn template<F: Format>(&mut self, extra: Extra) -> &Template<'a> {
        let (scope, last) = (self.scope, self.last);
        let used = self
            .templates
            .get(..self.templates_used)
            .unwrap_or_default();
        let found = used
            .iter()
            .position(|template| template.shape == last && template.extra == extra);
        let position = match found {
            Some(position) if self.templates[position].scope == scope => position,
            Some(position) => {
                self.render::<F>(position);
                position
            }
            None => self.make::<F>(extra),
        };
        &self.templates[position]
    }

    /// Makes a template, and says where.
    #[cold]
    fn make<F: Format>(&mut self, extra: Extra) -> usize {
        if self.templates_used >= MOST {
            self.templates_used = 0;
        }
        let position = self.templates_used;
        self.templates_used += 1;
        if self.templates.len() <= position {
            self.templates.push(Template::default());
        }
        self.sort(extra);
        let template = &mut self.templates[position];
        (template.shape, template.extra) = (self.last, extra);
        template.own.clear();
        template.own_text.clear();
        let buffer = &mut self.buffers[0];
        for (key, _, source) in &self.list {
            let start = template.own_text.len();
            F::tag_key(&mut template.own_text, key.text(buffer));
            template.own.push(Own {
                key: *key,
                source: *source,
                start,
                end: template.own_text.len(),
            });
        }
        self.render::<F>(position);
        position
    }

    /// Makes the text of a template for the scope that was begun last.
    #[cold]
    fn render<F: Format>(&mut self, position: usize) {
        let template = &mut self.templates[position];
        template.scope = self.scope;
        let text = &mut template.text;
        text.clear();
        template.steps.clear();
        template.steps.reserve(template.own.len());
        let separators = 4 * (self.base.len() + template.own.len() + 4);
        text.reserve(self.base_text.len() + template.own_text.len() + separators + PADDING);
        // A merge of two sorted lists; where keys are equal the span's own counts.
        let (mut base, mut own) = (self.base.iter().peekable(), template.own.iter().peekable());
        let buffer = &mut self.buffers[0];
        loop {
            let order = match (base.peek(), own.peek()) {
                (None, None) => break,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(base), Some(own)) => base.key.cmp(own.key.text(buffer)),
            };
            if order != Ordering::Greater
                && let Some(tag) = base.next()
                && order == Ordering::Less
            {
                F::begin_tag(text);
                text.extend_from_slice(&self.base_text[tag.start..tag.end]);
            }
            if order == Ordering::Greater
                && let Some(tag) = own.next()
            {
                F::begin_tag(text);
                let run_end = text.len();
                text.extend_from_slice(&template.own_text[tag.start..tag.end]);
                template.steps.push(Step {
                    run_end,
                    end: text.len(),
                    source: tag.source,
                });
            }
        }
        F::end_tags(text);
        template.end = text.len();
        text.resize(template.end + PADDING, 0);
    }

    /// Lists the span's own tags, sorted, each key once: the last of its kind.
    fn sort(&mut self, extra: Extra) {
        let list = &mut self.list;
        list.clear();
        for (position, key) in self.shapes[self.last].keys.iter().enumerate() {
            // Zipkin shows a span with this tag as failed, so only the status may set it.
            if key != ERROR {
                let source = Source::Attribute(position);
                list.push((Key::Text(key), list.len(), source));
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
        let [left_key, right_key] = &mut self.buffers;
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
