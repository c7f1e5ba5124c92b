//! A bare expression, checked and compiled once.

use std::sync::Arc;

use cel::IdedExpr;

use crate::error::ExprError;
use crate::path::{self, Segment};
use crate::references::{Path, References};
use crate::{compile, scan};

/// A CEL expression that passed all checks. A clone is a reference to the same.
#[derive(Debug, Clone)]
pub struct Expression(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    text: String,
    form: Form,
    references: References,
}

/// How an expression is evaluated.
#[derive(Debug)]
pub(crate) enum Form {
    /// A plain reference, read from the scope as it is.
    Reference(Vec<Segment>),
    /// Anything else, by CEL.
    Program(Box<IdedExpr>),
}

impl Expression {
    /// Checks and compiles `text`. Short references are read at once; anything else on a thread of its own.
    ///
    /// # Errors
    /// [`ExprError`] with the offset in `text` where it is known, for what is no expression, breaks a bound of
    /// [`crate::limits`], calls an unknown function, or uses `steps` other than as `steps.ID`. Whether variables and
    /// steps exist is the caller's to check, by [`Self::references`].
    pub fn parse(text: &str) -> Result<Self, ExprError> {
        scan::check(text).map_err(|error| error.of(text))?;
        let (form, references) = match path::parse(text) {
            Some(segments) => {
                let fields = path::leading_fields(&segments);
                if fields.first().is_some_and(|root| root == "steps") && fields.len() < 2 {
                    return Err(compile::computed_step(0).of(text));
                }
                let mut references = References::default();
                references.add(Path { segments: fields, offset: text.len() - text.trim_start().len() });
                (Form::Reference(segments), references)
            }
            None => {
                let (program, references) = compile::compile(text).map_err(|error| error.of(text))?;
                (Form::Program(Box::new(program)), references)
            }
        };
        Ok(Self(Arc::new(Inner { text: text.to_owned(), form, references })))
    }

    /// Returns the text that was parsed.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0.text
    }

    /// Returns what the expression reads.
    #[must_use]
    pub fn references(&self) -> &References {
        &self.0.references
    }

    pub(crate) fn form(&self) -> &Form {
        &self.0.form
    }
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.0.text == other.0.text
    }
}
