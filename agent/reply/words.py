"""Words that tell names of files and languages from prose."""

from __future__ import annotations

import re

_LANGUAGES = """
asm astro awk bash bat batch c c# c++ cfg clojure cmake conf console cpp cs csharp css csv dart
diff docker dockerfile dotenv elixir elm env erlang f# fish fortran fsharp git gitignore go
golang gradle graphql groovy haskell hcl html http ignore ini java javascript jinja jinja2 js
json json5 jsonc jsx julia kotlin latex less lisp log lua make makefile markdown md mdx nginx
nim nix objc objective-c ocaml output patch perl php plain plaintext powershell prisma
properties proto protobuf ps1 py py3 python python3 r rb rs rst ruby rust sass scala scss sh
shell shell-session sol solidity sql svelte swift tcl terminal terraform tex text tf toml
traceback ts tsx txt typescript vb vim vue xml yaml yml zig zsh
"""
_EXTENSIONS = """
adb adoc ads agda astro bash bat bib bicep c cairo cc cfg cjs clj cljs cmake cmd coffee conf cpp
cr cs css csv cts cu cue cuh cxx dart diff dockerfile editorconfig ejs el elm eml erb erl ex exs
f90 f95 fish frag fs fsx gemspec gitignore glsl go gql gradle graphql groovy gv h haml hbs hcl
hh hpp hrl hs htm html http hxx ics idr in ini ino ipynb j2 java jinja jl js json json5 jsonc
jsonl jsx kdl kt kts lean less liquid lisp lock lua m4 mako markdown md mdx mjs mk ml mli mm mmd
mod mts nim nimble nix njk nu pas patch pcss php pl plist pm pot prisma properties proto ps1 pth
pug puml pxd py pyi pyx rake rb rego rkt rmd ron rs rst sass sbt scala scm scss sh sln snap sol
sql styl svelte svg swift tcl tex text tf tfvars thrift toml tpl ts tsv tsx ttl twig txt typ vb
vert vim vue vy wat wgsl wsgi xhtml xml xsd xsl xslt yaml yml zig zsh
"""
_STARTERS = """
and below for here here's i i'll i'm i've in let let's now so the then there this to we we'll
we've
"""
_FUNCTION_WORDS = """
a add an are as at be by can change changed code content contents corrected create do does edit
execute file files fixed from have how if into is it its modified modify module of on open or
replace rewrite run save script see should that their these those try update updated use uses
using was were when where which will with would write
"""
_COMMANDS = """
bash bun cargo cat cd cp deno git go java ls make mkdir mv nano node npm npx pip poetry pytest python
python3 rm ruby sh sudo touch uv vim yarn
"""
LANGUAGES = frozenset(_LANGUAGES.split())
EXTENSIONS = frozenset(_EXTENSIONS.split())
"""Endings of text files; others count where the person, or a word such as `File:`, says so."""
COMMANDS = frozenset(_COMMANDS.split())
"""First words of a command line that ends in a file's name."""
STARTERS = frozenset(_STARTERS.split())
"""Words with which a sentence about a file begins."""
FUNCTION_WORDS = STARTERS | frozenset(_FUNCTION_WORDS.split())
"""Words that stand before a file's name in a sentence and hardly ever in such a name."""
_NAMES = re.compile(
    r"(?:GNU)?[Mm]akefile|(?:Docker|Container|Vagrant|Proc|Just|Jenkins|Gem|Rake|Pip|Brew|Caddy|Tilt)file"
    r"|justfile|LICEN[CS]E|COPYING|CODEOWNERS|go\.(?:mod|sum|work)|py\.typed|gradlew|\.[A-Za-z][\w.-]*"
)
HEADINGS = frozenset(
    {"AUTHORS", "BUILD", "CHANGELOG", "CHANGES", "CONTRIBUTORS", "INSTALL", "MANIFEST", "NEWS"}
    | {"NOTICE", "README", "TODO", "VERSION", "WORKSPACE"}
)
"""Names of files that stand above code as headings just as well."""


def is_path_like(text: str) -> bool:
    """True if a text ends in the name of a file as files of projects are named."""
    name = text.rpartition("/")[2].rpartition("\\")[2]
    stem, dot, extension = name.rpartition(".")
    return _NAMES.fullmatch(name) is not None or bool(
        dot and stem.strip() and extension.lower() in EXTENSIONS
    )


def is_language(word: str) -> bool:
    """True if an info string that begins with this word says a language by it."""
    return word.lower() in LANGUAGES
