//! An expression's text to its words.
//!
//! Source: FHIRPath N1 grammar. Never keeps more than one word's worth of copies.

use super::error::PathError;
use super::moment::Moment;

/// A word of an expression.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    /// A name, or a word such as `and`.
    Name(String),
    /// A name in backticks or double quotes: never a word of the language.
    Quoted(String),
    /// A text in single quotes.
    Text(String),
    /// A whole or decimal number, as written.
    Number(String),
    /// A date, dateTime or time.
    Moment(Moment),
    /// `$this`, `$index`, `$total`.
    Dollar(String),
    /// A sign: one or two characters.
    Sign(&'static str),
    /// Nothing more.
    End,
}

const SIGNS: [&str; 25] = [
    "!=", "!~", "<=", ">=", "(", ")", "[", "]", "{", "}", ".", ",", "+", "-", "*", "/", "&", "|",
    "=", "~", "<", ">", "%", ":", ";",
];

/// All words with the byte each begins at.
pub(super) fn words(text: &str) -> Result<Vec<(Token, usize)>, PathError> {
    let mut lexer = Lexer { text, place: 0 };
    let mut found = Vec::new();
    loop {
        lexer.skip_space()?;
        let at = lexer.place;
        let token = lexer.next()?;
        let is_end = token == Token::End;
        found.push((token, at));
        if is_end {
            return Ok(found);
        }
    }
}

struct Lexer<'t> {
    text: &'t str,
    place: usize,
}

impl<'t> Lexer<'t> {
    fn rest(&self) -> &'t str {
        self.text.get(self.place..).unwrap_or("")
    }

    fn take_while(&mut self, keep: impl Fn(char) -> bool) -> &'t str {
        let rest = self.rest();
        let length = rest.find(|letter| !keep(letter)).unwrap_or(rest.len());
        self.place += length;
        rest.get(..length).unwrap_or("")
    }

    fn skip_space(&mut self) -> Result<(), PathError> {
        loop {
            self.take_while(char::is_whitespace);
            let rest = self.rest();
            if rest.starts_with("//") {
                self.take_while(|letter| letter != '\n' && letter != '\r');
            } else if rest.starts_with("/*") {
                let Some(length) = rest.find("*/") else {
                    return Err(PathError::syntax(
                        self.place,
                        "a comment is not finished",
                        "close it with */",
                    ));
                };
                self.place += length + 2;
            } else {
                return Ok(());
            }
        }
    }

    fn next(&mut self) -> Result<Token, PathError> {
        let Some(first) = self.rest().chars().next() else {
            return Ok(Token::End);
        };
        match first {
            'a'..='z' | 'A'..='Z' | '_' => Ok(Token::Name(self.name().to_owned())),
            '0'..='9' => Ok(Token::Number(self.number().to_owned())),
            '\'' => Ok(Token::Text(self.quoted('\'')?)),
            '`' | '"' => Ok(Token::Quoted(self.quoted(first)?)),
            '@' => self.moment(),
            '$' => {
                self.place += 1;
                Ok(Token::Dollar(self.name().to_owned()))
            }
            _ => self.sign(),
        }
    }

    fn name(&mut self) -> &'t str {
        self.take_while(|letter| letter.is_ascii_alphanumeric() || letter == '_')
    }

    /// Digits, and a point with digits after it: `1.is(Integer)` is a number and a function.
    fn number(&mut self) -> &'t str {
        let from = self.place;
        self.take_while(|letter| letter.is_ascii_digit());
        let mut next = self.rest().chars();
        if next.next() == Some('.') && next.next().is_some_and(|letter| letter.is_ascii_digit()) {
            self.place += 1;
            self.take_while(|letter| letter.is_ascii_digit());
        }
        self.text.get(from..self.place).unwrap_or("")
    }

    fn sign(&mut self) -> Result<Token, PathError> {
        let rest = self.rest();
        let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) else {
            return Err(PathError::syntax(
                self.place,
                "a character FHIRPath does not use",
                "put texts in single quotes and unusual names in backticks",
            ));
        };
        self.place += sign.len();
        Ok(Token::Sign(sign))
    }

    fn quoted(&mut self, quote: char) -> Result<String, PathError> {
        let start = self.place;
        let unfinished = || {
            let mend = "close it with the quote it began with";
            PathError::syntax(start, "a quoted text is not finished", mend)
        };
        self.place += 1;
        let mut text = String::new();
        loop {
            text.push_str(self.take_while(|letter| letter != quote && letter != '\\'));
            let letter = self.rest().chars().next().ok_or_else(unfinished)?;
            self.place += 1;
            if letter == quote {
                return Ok(text);
            }
            let escaped = self.rest().chars().next().ok_or_else(unfinished)?;
            self.place += escaped.len_utf8();
            text.push(self.escape(escaped)?);
        }
    }

    fn escape(&mut self, letter: char) -> Result<char, PathError> {
        Ok(match letter {
            '\\' | '/' | '\'' | '"' | '`' => letter,
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => self.unicode()?,
            _ => {
                return Err(PathError::syntax(
                    self.place,
                    "an escape FHIRPath does not have",
                    "write a backslash itself as \\\\",
                ));
            }
        })
    }

    fn unicode(&mut self) -> Result<char, PathError> {
        let mut unit = || {
            let digits = self.rest().get(..4)?;
            self.place += 4;
            u16::from_str_radix(digits, 16).ok()
        };
        let first = unit();
        let found = match first {
            Some(high @ 0xd800..=0xdbff) => {
                let is_pair = self.rest().starts_with("\\u");
                self.place += 2;
                let mut low = || {
                    let digits = self.rest().get(..4)?;
                    self.place += 4;
                    u16::from_str_radix(digits, 16).ok()
                };
                let low = is_pair.then(&mut low).flatten();
                low.and_then(|low| char::decode_utf16([high, low]).next()?.ok())
            }
            Some(unit) => char::from_u32(unit.into()),
            None => None,
        };
        found.ok_or_else(|| {
            PathError::syntax(
                self.place.min(self.text.len()),
                "an escape that is no character",
                "write \\u and four hexadecimal digits",
            )
        })
    }

    /// `@2015`, `@2015-02-04T14:34+10:00`, `@T14:34`.
    fn moment(&mut self) -> Result<Token, PathError> {
        let start = self.place;
        self.place += 1;
        let is_time = self.rest().starts_with('T');
        let keep = |letter: char| letter.is_ascii_digit() || matches!(letter, ':' | 'T');
        let mut has_clock = is_time;
        loop {
            let part = self.take_while(keep);
            has_clock |= part.contains('T');
            let mut next = self.rest().chars();
            let (sign, digit) = (next.next(), next.next());
            let before_digit = digit.is_some_and(|letter| letter.is_ascii_digit());
            match sign {
                Some('-') if before_digit && !(is_time && part.is_empty()) => self.place += 1,
                Some('.') if before_digit && has_clock => self.place += 1,
                Some('+') if before_digit && has_clock => self.place += 1,
                Some('Z') if has_clock => {
                    self.place += 1;
                    break;
                }
                _ => break,
            }
        }
        let text = self.text.get(start + 1..self.place).unwrap_or("");
        let found = if is_time {
            Moment::parse_time(text)
        } else if has_clock {
            Moment::parse_date_time(text)
        } else {
            Moment::parse_date(text)
        };
        found.map(Token::Moment).ok_or_else(|| {
            PathError::syntax(
                start,
                "this is no date or time",
                "write @2026-11-23, @2026-11-23T10:00:00Z or @T10:00 (a time has no offset)",
            )
        })
    }
}
