"""The licences that installed packages state of themselves."""

from importlib import metadata

# Classifiers that stand for one SPDX licence. "BSD License" leaves open which.
CLASSIFIERS = {
    "MIT License": "MIT",
    "MIT No Attribution License (MIT-0)": "MIT-0",
    "ISC License (ISCL)": "ISC",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "The Unlicense (Unlicense)": "Unlicense",
    "zlib/libpng License": "Zlib",
    "GNU General Public License v2 (GPLv2)": "GPL-2.0-only",
    "GNU General Public License v2 or later (GPLv2+)": "GPL-2.0-or-later",
    "GNU General Public License v3 (GPLv3)": "GPL-3.0-only",
    "GNU General Public License v3 or later (GPLv3+)": "GPL-3.0-or-later",
    "GNU Lesser General Public License v3 (LGPLv3)": "LGPL-3.0-only",
    "GNU Lesser General Public License v3 or later (LGPLv3+)": "LGPL-3.0-or-later",
}
# Spellings of the License field that leave no doubt.
SPELLINGS = {
    "apache 2": "Apache-2.0",
    "apache 2.0": "Apache-2.0",
    "apache 2.0 license": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "apache license, version 2.0": "Apache-2.0",
    "apache-2": "Apache-2.0",
    "bsd 3-clause": "BSD-3-Clause",
    "bsd-3": "BSD-3-Clause",
    "3-clause bsd": "BSD-3-Clause",
    "bsd 2-clause": "BSD-2-Clause",
    "isc license": "ISC",
    "mit license": "MIT",
    "mpl 2.0": "MPL-2.0",
}
# Longer than this the License field holds the licence's own text.
LONGEST_NAME = 60

STANDARD_LIBRARY = "PSF-2.0"


def licences() -> dict[str, str]:
    """For each installed top-level module, the licence of its package, where that states one.

    A module that several packages share (a namespace) has a licence only where they agree.
    """
    stated: dict[str, set[str | None]] = {}
    by_package: dict[str, str | None] = {}
    for module, packages in metadata.packages_distributions().items():
        for package in packages:
            if package not in by_package:
                by_package[package] = licence(metadata.metadata(package))
            stated.setdefault(module, set()).add(by_package[package])
    return {
        module: found for module, (found, *more) in ((m, tuple(s)) for m, s in stated.items()) if found and not more
    }


def licence(fields: metadata.PackageMetadata) -> str | None:
    """License-Expression, else a short License, else the one licence that the classifiers agree on."""
    for field in ("License-Expression", "License"):
        text = str(fields[field]).strip() if field in fields else ""
        if text and text.upper() != "UNKNOWN" and "\n" not in text and len(text) <= LONGEST_NAME:
            return SPELLINGS.get(text.lower(), text)
    trove = [line.split(" :: ")[-1] for line in fields.get_all("Classifier") or () if line.startswith("License ::")]
    named = {CLASSIFIERS.get(name) for name in trove if name != "OSI Approved"}
    return named.pop() if len(named) == 1 else None
