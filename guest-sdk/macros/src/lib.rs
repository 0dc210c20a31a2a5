//! The entry macro of mutual-guest. Reads just enough of a function to say what is wrong with it.

use proc_macro::{Delimiter, Group, Ident, Spacing, Span, TokenStream, TokenTree};

/// Makes a function the entry of a guest program.
///
/// The function is `fn main()` without arguments; it returns `()`, `mutual_guest::ExitCode`, or a `Result` of those.
/// An error is printed to stderr with its causes, and the program ends with exit code 1.
#[proc_macro_attribute]
pub fn main(arguments: TokenStream, item: TokenStream) -> TokenStream {
    match check(arguments, item.clone()) {
        Ok(returns) => entry(item, returns),
        Err(wrong) => wrong.into_tokens(),
    }
}

/// What is wrong, and where.
struct Wrong {
    span: Span,
    message: &'static str,
}

/// Returns where the return type begins (or the function's name, where none is written).
fn check(arguments: TokenStream, item: TokenStream) -> Result<Span, Wrong> {
    if let Some(argument) = arguments.into_iter().next() {
        return Err(Wrong::new(
            argument.span(),
            "`#[mutual_guest::main]` takes no arguments",
        ));
    }
    let mut tokens = item.into_iter();
    skip_to_fn(&mut tokens)?;
    let name = next(&mut tokens)?;
    if name.to_string() != "main" {
        return Err(Wrong::new(
            name.span(),
            "the entry of a program is called `main`",
        ));
    }
    match next(&mut tokens)? {
        TokenTree::Group(arguments) if arguments.stream().is_empty() => {}
        TokenTree::Group(arguments) => {
            let message = "`main` takes no arguments: `std::env::args()` has those of the program";
            return Err(Wrong::new(arguments.span(), message));
        }
        other => return Err(Wrong::new(other.span(), "`main` cannot be generic")),
    }
    Ok(return_type(tokens).unwrap_or_else(|| name.span()))
}

/// Skips attributes and visibility; refuses what an entry cannot be.
fn skip_to_fn(tokens: &mut impl Iterator<Item = TokenTree>) -> Result<(), Wrong> {
    loop {
        let token = next(tokens)?;
        let TokenTree::Ident(word) = &token else {
            continue;
        };
        let message = match word.to_string().as_str() {
            "fn" => return Ok(()),
            "pub" | "crate" => continue,
            "async" => "`main` cannot be `async`: a guest has no threads and no runtime of its own",
            "unsafe" | "const" | "extern" => "`main` is a plain function",
            _ => "`#[mutual_guest::main]` belongs on `fn main()`",
        };
        return Err(Wrong::new(token.span(), message));
    }
}

/// Where the type after `->` begins.
fn return_type(mut tokens: impl Iterator<Item = TokenTree>) -> Option<Span> {
    let TokenTree::Punct(dash) = tokens.next()? else {
        return None;
    };
    if dash.as_char() != '-' || dash.spacing() != Spacing::Joint {
        return None;
    }
    tokens.nth(1).map(|token| token.span())
}

fn next(tokens: &mut impl Iterator<Item = TokenTree>) -> Result<TokenTree, Wrong> {
    let message = "`#[mutual_guest::main]` belongs on `fn main()`";
    tokens.next().ok_or(Wrong::new(Span::call_site(), message))
}

/// `fn main() -> ExitCode { ITEM Ending::end(main()) }`; the author's `main` is inside, whole and with its attributes.
fn entry(item: TokenStream, returns: Span) -> TokenStream {
    // A wrong return type is reported where it is written.
    let end = parse("::mutual_guest::Ending::end", returns);
    let main = TokenTree::from(Ident::new("main", returns));
    let call = [main, group(Delimiter::Parenthesis, [], returns)];
    let ending = group(Delimiter::Parenthesis, call.map(Into::into), returns);

    let head = parse("fn main() -> ::std::process::ExitCode", Span::call_site());
    let body = group(
        Delimiter::Brace,
        [item, end, ending.into()],
        Span::call_site(),
    );
    [head, body.into()].into_iter().collect()
}

fn group<const N: usize>(delimiter: Delimiter, parts: [TokenStream; N], span: Span) -> TokenTree {
    let mut group = Group::new(delimiter, parts.into_iter().collect());
    group.set_span(span);
    group.into()
}

/// Parses text of this file, which is always Rust.
fn parse(text: &str, span: Span) -> TokenStream {
    let tokens = text.parse::<TokenStream>().unwrap_or_default();
    let located = tokens.into_iter().map(|mut token| {
        token.set_span(span);
        token
    });
    located.collect()
}

impl Wrong {
    fn new(span: Span, message: &'static str) -> Self {
        Self { span, message }
    }

    /// The message, and an entry in place of the wrong one: what else the compiler would say is left out.
    fn into_tokens(self) -> TokenStream {
        let message = format!("::core::compile_error! {{ {:?} }}", self.message);
        let message = parse(&message, self.span);
        let entry = parse("fn main() {}", Span::call_site());
        [message, entry].into_iter().collect()
    }
}
