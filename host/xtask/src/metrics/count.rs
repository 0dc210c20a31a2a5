//! Counts one source file at a time by its syntax tree. Does no I/O.

use anyhow::Result;
use syn::{
    Attribute, Block, ExprMethodCall, ImplItemFn, ItemEnum, ItemFn, ItemMod, Meta, TraitItemFn,
    Visibility,
    visit::{self, Visit},
};

use crate::tidy::code_lines;

/// What was counted in some files.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) file_lines: Vec<usize>,
    pub(super) comment_lines: usize,
    pub(super) functions: Vec<Function>,
    pub(super) unwraps: usize,
    pub(super) public: usize,
    pub(super) documented: usize,
    /// `ClaimError::TooLate`: variants of public and private enums whose name ends in `Error`.
    error_variants: Vec<(String, String)>,
}

/// One function with a body.
#[derive(Debug)]
pub(super) struct Function {
    pub(super) name: String,
    pub(super) file: String,
    pub(super) lines: usize,
}

impl Counts {
    /// Adds one file's product code; what is compiled for tests alone is left out.
    pub(super) fn add_file(&mut self, file: &str, text: &str) -> Result<()> {
        let product = product_part(text);
        self.file_lines.push(code_lines(product));
        self.comment_lines += product
            .lines()
            .filter(|line| line.trim().starts_with("//"))
            .count();
        let tree = syn::parse_file(text)?;
        let lines = text.lines().collect();
        Visitor {
            counts: self,
            file,
            lines,
        }
        .visit_file(&tree);
        Ok(())
    }

    /// Adds another crate's counts.
    pub(super) fn add(&mut self, other: Self) {
        self.file_lines.extend(other.file_lines);
        self.comment_lines += other.comment_lines;
        self.functions.extend(other.functions);
        self.unwraps += other.unwraps;
        self.public += other.public;
        self.documented += other.documented;
        self.error_variants.extend(other.error_variants);
    }

    /// Error variants whose name occurs nowhere in the tests' text.
    pub(super) fn untested_variants(&self, test_text: &str) -> Vec<String> {
        let untested = self
            .error_variants
            .iter()
            .filter(|(_, variant)| !test_text.contains(variant));
        untested
            .map(|(error, variant)| format!("{error}::{variant}"))
            .collect()
    }
}

/// The file up to its tests, which stand last.
fn product_part(text: &str) -> &str {
    text.find("\n#[cfg(test)]")
        .map_or(text, |at| text.split_at(at).0)
}

/// The file from its tests on.
pub(super) fn test_part(text: &str) -> &str {
    text.strip_prefix(product_part(text)).unwrap_or_default()
}

struct Visitor<'a> {
    counts: &'a mut Counts,
    file: &'a str,
    lines: Vec<&'a str>,
}

impl Visitor<'_> {
    fn item(&mut self, visibility: &Visibility, attributes: &[Attribute]) {
        if matches!(visibility, Visibility::Public(_)) {
            self.counts.public += 1;
            self.counts.documented += usize::from(is_documented(attributes));
        }
    }

    fn function(&mut self, name: &syn::Ident, body: &Block) {
        let first = body.brace_token.span.open().start().line;
        let last = body.brace_token.span.close().end().line;
        let inner = self
            .lines
            .get(first..last.saturating_sub(1))
            .unwrap_or_default();
        let lines = code_lines(&inner.join("\n")).max(usize::from(!body.stmts.is_empty()));
        self.counts.functions.push(Function {
            name: name.to_string(),
            file: self.file.to_owned(),
            lines,
        });
    }
}

impl<'tree> Visit<'tree> for Visitor<'_> {
    fn visit_item_mod(&mut self, item: &'tree ItemMod) {
        if !is_test(&item.attrs) {
            self.item(&item.vis, &item.attrs);
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_fn(&mut self, item: &'tree ItemFn) {
        if !is_test(&item.attrs) {
            self.item(&item.vis, &item.attrs);
            self.function(&item.sig.ident, &item.block);
            visit::visit_item_fn(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'tree ImplItemFn) {
        if !is_test(&item.attrs) {
            self.item(&item.vis, &item.attrs);
            self.function(&item.sig.ident, &item.block);
            visit::visit_impl_item_fn(self, item);
        }
    }

    fn visit_trait_item_fn(&mut self, item: &'tree TraitItemFn) {
        if let Some(body) = &item.default {
            self.function(&item.sig.ident, body);
        }
        visit::visit_trait_item_fn(self, item);
    }

    fn visit_item_impl(&mut self, item: &'tree syn::ItemImpl) {
        if !is_test(&item.attrs) {
            visit::visit_item_impl(self, item);
        }
    }

    fn visit_item_struct(&mut self, item: &'tree syn::ItemStruct) {
        self.item(&item.vis, &item.attrs);
        visit::visit_item_struct(self, item);
    }

    fn visit_item_trait(&mut self, item: &'tree syn::ItemTrait) {
        self.item(&item.vis, &item.attrs);
        visit::visit_item_trait(self, item);
    }

    fn visit_item_const(&mut self, item: &'tree syn::ItemConst) {
        self.item(&item.vis, &item.attrs);
        visit::visit_item_const(self, item);
    }

    fn visit_item_type(&mut self, item: &'tree syn::ItemType) {
        self.item(&item.vis, &item.attrs);
    }

    fn visit_item_enum(&mut self, item: &'tree ItemEnum) {
        self.item(&item.vis, &item.attrs);
        let name = item.ident.to_string();
        if name.ends_with("Error") {
            let variants = item
                .variants
                .iter()
                .map(|variant| (name.clone(), variant.ident.to_string()));
            self.counts.error_variants.extend(variants);
        }
    }

    fn visit_expr_method_call(&mut self, call: &'tree ExprMethodCall) {
        self.counts.unwraps += usize::from(call.method == "unwrap" || call.method == "expect");
        visit::visit_expr_method_call(self, call);
    }
}

fn is_documented(attributes: &[Attribute]) -> bool {
    attributes
        .iter()
        .any(|attribute| attribute.path().is_ident("doc"))
}

/// `#[test]`, `#[tokio::test]` or `#[cfg(test)]`.
fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let named_test = attribute
            .path()
            .segments
            .last()
            .is_some_and(|segment| segment.ident == "test");
        let cfg_test = attribute.path().is_ident("cfg")
            && matches!(&attribute.meta, Meta::List(list) if list.tokens.to_string() == "test");
        named_test || cfg_test
    })
}
