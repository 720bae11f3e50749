//! Files that common mail providers refuse to deliver, since they run when they are opened.
//!
//! Guarantees: what they would refuse is refused where its sender hears of it, by the ending of its name or by its type.
//!
//! Left out: looking into the files. A program in an archive or under another name is for the receiver's scanner.

use super::{AttachmentName, MediaType};

/// Endings of names of files that run when they are opened: what Gmail and Outlook refuse.
const REFUSED_ENDINGS: &[&str] = &[
    "ade",
    "adp",
    "apk",
    "app",
    "appcontent-ms",
    "application",
    "appref-ms",
    "appx",
    "appxbundle",
    "asp",
    "aspx",
    "asx",
    "bas",
    "bat",
    "cab",
    "chm",
    "cmd",
    "com",
    "cpl",
    "csh",
    "diagcab",
    "diagcfg",
    "diagpkg",
    "dll",
    "dmg",
    "ex",
    "ex_",
    "exe",
    "fxp",
    "gadget",
    "hlp",
    "hpj",
    "hta",
    "htc",
    "img",
    "inf",
    "ins",
    "iso",
    "isp",
    "jar",
    "jnlp",
    "js",
    "jse",
    "ksh",
    "lib",
    "library-ms",
    "lnk",
    "mad",
    "maf",
    "mag",
    "mam",
    "maq",
    "mar",
    "mas",
    "mau",
    "mav",
    "maw",
    "mcf",
    "mda",
    "mdb",
    "mde",
    "mdt",
    "mdw",
    "mdz",
    "mjs",
    "msc",
    "msh",
    "msh1",
    "msh2",
    "mshxml",
    "msh1xml",
    "msh2xml",
    "msi",
    "msix",
    "msixbundle",
    "msp",
    "mst",
    "msu",
    "nsh",
    "ops",
    "pcd",
    "pif",
    "prg",
    "printerexport",
    "ps1",
    "ps1xml",
    "ps2",
    "ps2xml",
    "psc1",
    "psc2",
    "psd1",
    "psdm1",
    "pyc",
    "pyo",
    "pyw",
    "pyz",
    "pyzw",
    "reg",
    "scf",
    "scr",
    "sct",
    "settingcontent-ms",
    "shb",
    "shs",
    "sys",
    "vb",
    "vbe",
    "vbp",
    "vbs",
    "vhd",
    "vhdx",
    "vsmacros",
    "vsw",
    "vxd",
    "webpnp",
    "website",
    "wsb",
    "wsc",
    "wsf",
    "wsh",
    "xbap",
    "xll",
    "xnk",
];

/// Media types of such files.
const REFUSED_TYPES: &[&str] = &[
    "application/hta",
    "application/java-archive",
    "application/javascript",
    "application/vnd.android.package-archive",
    "application/vnd.microsoft.portable-executable",
    "application/x-bat",
    "application/x-dosexec",
    "application/x-executable",
    "application/x-javascript",
    "application/x-ms-installer",
    "application/x-ms-shortcut",
    "application/x-msdos-program",
    "application/x-msdownload",
    "application/x-msi",
    "application/x-sharedlib",
    "text/javascript",
    "text/vbscript",
];

/// For what mail providers refuse a file of this name and type, since it runs when it is opened: its ending or its type; none
/// if they take it.
#[must_use]
pub fn refused_type(name: &AttachmentName, media_type: &MediaType) -> Option<String> {
    // Windows passes over dots and blanks at the end of a name.
    let lower = name.as_str().trim_end_matches(['.', ' ']).to_lowercase();
    let ending = lower.rsplit_once('.').map(|(_, ending)| ending);
    if let Some(ending) = ending.filter(|ending| REFUSED_ENDINGS.contains(ending)) {
        return Some(format!(".{ending}"));
    }
    let refused = REFUSED_TYPES.iter().find(|refused| **refused == media_type.as_str());
    refused.map(ToString::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_runs_when_it_is_opened_is_refused_by_ending_and_by_type() {
        let refused = |name: &str, kind: &str| {
            refused_type(&AttachmentName::parse(name).unwrap(), &MediaType::parse(kind).unwrap())
        };
        let bytes = "application/octet-stream";
        assert_eq!(refused("invoice.pdf.exe", bytes).as_deref(), Some(".exe"));
        assert_eq!(refused("SETUP.EXE. .", bytes).as_deref(), Some(".exe"));
        assert_eq!(refused("a.js", "text/plain").as_deref(), Some(".js"));
        assert_eq!(
            refused("a", "application/x-msdownload").as_deref(),
            Some("application/x-msdownload")
        );
        for name in [
            "invoice.pdf",
            "exe",
            "a.csv",
            "a.json",
            "a.html",
            "photo.jpeg",
            "a.zip",
            "exe.pdf",
        ] {
            assert_eq!(refused(name, bytes), None, "{name}");
        }
    }
}
