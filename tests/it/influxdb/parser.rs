//! A strict reader of line protocol, after its documentation.

/// One line.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Point {
    pub(super) measurement: String,
    pub(super) tags: Vec<(String, String)>,
    pub(super) fields: Vec<(String, Value)>,
    pub(super) time: i64,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Float(f64),
    Int(i64),
    Unsigned(u64),
    Text(String),
}

impl Point {
    pub(super) fn tag(&self, key: &str) -> Option<&str> {
        let mut found = self.tags.iter().filter(|(name, _)| name == key);
        let value = found.next().map(|(_, value)| &**value);
        assert!(found.next().is_none(), "tag {key} twice in {self:?}");
        value
    }

    pub(super) fn field(&self, key: &str) -> Option<&Value> {
        let mut found = self.fields.iter().filter(|(name, _)| name == key);
        let value = found.next().map(|(_, value)| value);
        assert!(found.next().is_none(), "field {key} twice in {self:?}");
        value
    }

    fn assert_that_keys_differ(&self) {
        let mut keys: Vec<&String> = self.tags.iter().map(|(key, _)| key).collect();
        keys.extend(self.fields.iter().map(|(key, _)| key));
        let count = keys.len();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), count, "a key stands twice: {self:?}");
    }

    pub(super) fn text(&self, key: &str) -> Option<&str> {
        match self.field(key)? {
            Value::Text(text) => Some(text),
            other => panic!("{key} is {other:?}"),
        }
    }
}

/// Reads all lines; panics at what the documentation does not allow.
pub(super) fn parse(text: &str) -> Vec<Point> {
    let mut reader = Reader { rest: text };
    let mut points = Vec::new();
    while !reader.rest.is_empty() {
        points.push(reader.point());
    }
    points.iter().for_each(Point::assert_that_keys_differ);
    points
}

struct Reader<'t> {
    rest: &'t str,
}

impl Reader<'_> {
    fn take(&mut self) -> char {
        let next = self.rest.chars().next().expect("the line goes on");
        self.rest = &self.rest[next.len_utf8()..];
        next
    }

    fn eat(&mut self, expected: char) {
        let found = self.take();
        assert_eq!(found, expected, "before {:?}", self.rest);
    }

    /// A name up to one of these characters, unless they are escaped.
    fn name(&mut self, ends: &[char]) -> String {
        let mut out = String::new();
        loop {
            let next = self.rest.chars().next().expect("the line goes on");
            assert_ne!(next, '\n', "a name with a line break");
            if ends.contains(&next) {
                assert!(!out.is_empty(), "an empty name");
                assert!(!out.ends_with('\\'), "a backslash before the end");
                return out;
            }
            let next = self.take();
            match (next, self.rest.chars().next()) {
                ('\\', Some(escaped @ (',' | '=' | ' '))) => {
                    self.take();
                    out.push(escaped);
                }
                _ => out.push(next),
            }
        }
    }

    fn point(&mut self) -> Point {
        assert!(!self.rest.starts_with(['#', '_', '\n']), "{}", self.rest);
        let measurement = self.name(&[',', ' ']);
        let mut tags = Vec::new();
        while self.rest.starts_with(',') {
            self.eat(',');
            let key = self.name(&['=', ',', ' ']);
            self.eat('=');
            let value = self.name(&[',', '=', ' ']);
            assert!(!key.starts_with('_') && key != "time", "tag {key}");
            tags.push((key, value));
        }
        let mut fields = Vec::new();
        loop {
            self.eat(if fields.is_empty() { ' ' } else { ',' });
            let key = self.name(&['=', ',', ' ']);
            assert!(!key.starts_with('_') && key != "time", "field {key}");
            self.eat('=');
            fields.push((key, self.value()));
            if self.rest.starts_with(' ') {
                break;
            }
        }
        self.eat(' ');
        let (time, rest) = self.rest.split_once('\n').expect("a line feed");
        self.rest = rest;
        let time = time.parse().expect("a time");
        Point {
            measurement,
            tags,
            fields,
            time,
        }
    }

    fn value(&mut self) -> Value {
        if self.rest.starts_with('"') {
            self.eat('"');
            let mut out = String::new();
            loop {
                match self.take() {
                    '"' => return Value::Text(out),
                    '\\' => match self.take() {
                        escaped @ ('"' | '\\') => out.push(escaped),
                        other => panic!("\\{other} in a string"),
                    },
                    plain => out.push(plain),
                }
            }
        }
        let end = self.rest.find([',', ' ']).expect("the line goes on");
        let (number, rest) = self.rest.split_at(end);
        self.rest = rest;
        if let Some(number) = number.strip_suffix('i') {
            Value::Int(number.parse().expect("an integer"))
        } else if let Some(number) = number.strip_suffix('u') {
            Value::Unsigned(number.parse().expect("an unsigned integer"))
        } else {
            let number: f64 = number.parse().expect("a float");
            assert!(number.is_finite());
            Value::Float(number)
        }
    }
}
