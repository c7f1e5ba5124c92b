//! What a JSON Schema has against a value, as people say it.

use jsonschema::ValidationError;
use jsonschema::error::{TypeKind, ValidationErrorKind as Kind};
use serde_json::Value;

use crate::finding::{clip, suggest};
use crate::pointer;
use crate::schema::Compiled;
use crate::tree::At;

/// What the checked value is, for the words of a message.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Subject<'a> {
    /// A plan document.
    Document,
    /// The arguments of a tool.
    Arguments(&'a str),
    /// The value of an input.
    Input,
}

/// One thing that a schema has against a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Objection {
    pub(crate) pointer: String,
    pub(crate) at: At,
    pub(crate) message: String,
    pub(crate) suggestion: Option<String>,
}

/// Checks `value`. Where `is_open` says that a part is known only later (it holds an expression), its value is not
/// judged, only the shape around it.
pub(crate) fn check(
    schema: &Compiled,
    value: &Value,
    subject: Subject<'_>,
    is_open: &dyn Fn(&Value) -> bool,
) -> Vec<Objection> {
    let judge = Judge { schema: &schema.schema, subject, is_open };
    let mut objections = Vec::new();
    for error in schema.validator.iter_errors(value) {
        judge.object(&error, &mut objections);
    }
    objections
}

struct Judge<'a> {
    schema: &'a Value,
    subject: Subject<'a>,
    is_open: &'a dyn Fn(&Value) -> bool,
}

impl Judge<'_> {
    fn object(&self, error: &ValidationError<'_>, objections: &mut Vec<Objection>) {
        let at = error.instance_path().as_str();
        let value: &Value = error.instance();
        let mut push = |pointer: String, at, message, suggestion| {
            objections.push(Objection { pointer, at, message, suggestion });
        };
        match error.kind() {
            Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
                let known = self.properties(error);
                for name in unexpected {
                    let message = format!("unknown {}", self.field(at, name));
                    push(
                        pointer::join(at, name),
                        At::Key,
                        message,
                        suggest(name, known.iter().map(String::as_str)),
                    );
                }
            }
            Kind::Required { property } => {
                let name = property.as_str().unwrap_or_default();
                push(at.to_owned(), At::Value, format!("missing {}", self.field(at, name)), None);
            }
            Kind::Type { kind } if is_container(value) || !self.hidden(value) => {
                let message = format!("expected {}, found {}", alternatives(&types(kind)), describe(value));
                push(at.to_owned(), At::Value, message, None);
            }
            _ if self.hidden(value) => {}
            Kind::AnyOf { context } | Kind::OneOfNotValid { context } => {
                self.closest(error, context, objections)
            }
            Kind::Enum { options } => {
                let options: Vec<&Value> =
                    options.as_array().map(|all| all.iter().collect()).unwrap_or_default();
                let given = value.as_str().unwrap_or_default();
                let texts = || options.iter().filter_map(|option| option.as_str());
                let in_any_case = texts().any(|option| option.eq_ignore_ascii_case(given));
                if matches!(self.subject, Subject::Document) && in_any_case {
                    return;
                }
                let mut names: Vec<String> = Vec::new();
                for option in &options {
                    let name = option.as_str().map_or_else(|| option.to_string(), str::to_owned);
                    if !names.iter().any(|known| known.eq_ignore_ascii_case(&name)) {
                        names.push(name);
                    }
                }
                let suggestion = suggest(given, names.iter().map(String::as_str));
                let message = format!("expected {}, found {}", alternatives(&names), describe(value));
                push(at.to_owned(), At::Value, message, suggestion);
            }
            Kind::Constant { expected_value } => {
                let message = format!("expected {}, found {}", describe(expected_value), describe(value));
                push(at.to_owned(), At::Value, message, None);
            }
            // The texts of documents are read by their own parsers, which say more than a pattern can.
            Kind::Pattern { .. } if matches!(self.subject, Subject::Document) => {}
            _ => push(at.to_owned(), At::Value, clip(&error.masked_with(describe(value)).to_string()), None),
        }
    }

    fn hidden(&self, value: &Value) -> bool {
        (self.is_open)(value)
    }

    fn field(&self, at: &str, name: &str) -> String {
        let name = clip(name);
        match self.subject {
            Subject::Document => format!("key '{name}'"),
            Subject::Arguments(tool) if at.is_empty() => format!("argument '{name}' of {tool}"),
            Subject::Arguments(_) | Subject::Input => format!("field '{name}'"),
        }
    }

    /// Reports on the alternative that the value comes closest to: one of its own type, with the fewest objections.
    fn closest(
        &self,
        error: &ValidationError<'_>,
        context: &[Vec<ValidationError<'static>>],
        objections: &mut Vec<Objection>,
    ) {
        let here = error.instance_path().as_str();
        let fitting =
            context.iter().filter(|errors| !errors.iter().any(|error| is_of_other_type(error, here)));
        if let Some(errors) = fitting.min_by_key(|errors| errors.len()) {
            for error in errors {
                self.object(error, objections);
            }
            return;
        }
        let mut expected: Vec<String> = Vec::new();
        for error in context.iter().flatten() {
            collect_types(error, &mut expected);
        }
        let found = describe(error.instance());
        let message = format!("expected {}, found {found}", alternatives(&expected));
        objections.push(Objection { pointer: here.to_owned(), at: At::Value, message, suggestion: None });
    }

    /// Names the properties that the schema knows where `error` forbids another.
    fn properties(&self, error: &ValidationError<'_>) -> Vec<String> {
        let place = error.schema_path().as_str();
        let parent = place.rsplit_once('/').map_or("", |(parent, _)| parent);
        let properties = self.schema.pointer(parent).and_then(|schema| schema.get("properties"));
        properties.and_then(Value::as_object).map(|known| known.keys().cloned().collect()).unwrap_or_default()
    }
}

/// Says whether an alternative is out because the value at `here` is of another type than it asks for.
fn is_of_other_type(error: &ValidationError<'_>, here: &str) -> bool {
    error.instance_path().as_str() == here
        && match error.kind() {
            Kind::Type { .. } => true,
            Kind::AnyOf { context } | Kind::OneOfNotValid { context } => {
                context.iter().all(|errors| errors.iter().any(|error| is_of_other_type(error, here)))
            }
            _ => false,
        }
}

/// Names the types that alternatives ask for.
fn collect_types(error: &ValidationError<'_>, names: &mut Vec<String>) {
    match error.kind() {
        Kind::Type { kind } => {
            for name in types(kind) {
                if !names.contains(&name) {
                    names.push(name);
                }
            }
        }
        Kind::AnyOf { context } | Kind::OneOfNotValid { context } => {
            context.iter().flatten().for_each(|error| collect_types(error, names));
        }
        _ => {}
    }
}

fn is_container(value: &Value) -> bool {
    matches!(value, Value::Array(_) | Value::Object(_)) && !is_secret(value)
}

/// Says whether a value is `{$secret: NAME}`, which a worker fills in.
pub(crate) fn is_secret(value: &Value) -> bool {
    value.as_object().is_some_and(|fields| fields.len() == 1 && fields.contains_key("$secret"))
}

fn types(kind: &TypeKind) -> Vec<String> {
    let name = |kind: &str| match kind {
        "string" => Some("a string"),
        "integer" => Some("an integer"),
        "number" => Some("a number"),
        "boolean" => Some("true or false"),
        "array" => Some("a list"),
        "object" => Some("a map"),
        // Null is how an absent value may be written, which is no advice.
        _ => None,
    };
    match kind {
        TypeKind::Single(kind) => name(kind.as_str()).into_iter().map(str::to_owned).collect(),
        TypeKind::Multiple(kinds) => {
            kinds.iter().filter_map(|kind| name(kind.as_str())).map(str::to_owned).collect()
        }
    }
}

fn alternatives(names: &[String]) -> String {
    match names {
        [] => "null".to_owned(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

fn describe(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("a list of {}", items.len()),
        Value::Object(_) => "a map".to_owned(),
        Value::String(text) => format!("'{}'", clip(text)),
        scalar => scalar.to_string(),
    }
}
