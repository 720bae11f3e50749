//! Debian's OpenSMTPD, as root, from a folder in which its package is unpacked with what it needs.
//!
//! Its package cannot be installed beside Postfix, its paths are compiled in, and it wants users of its own. So it runs in a
//! root of its own that only its own mount namespace has: nothing of this machine changes, and all of its processes end
//! with the first one. `.ci/run` unpacks it; `LEGWORK_TEST_OPENSMTPD` names another folder.

use std::path::PathBuf;
use std::process::Command;

use super::mail_server::{MailServer, Prepared};
use super::required;

/// The user in the server's own root who keeps the mails.
const KEEPER: u32 = 992;

/// The hash of `open sesame`, as `smtpctl encrypt` makes it.
const HASH: &str =
    "$6$legworktest$Z0.q7wSuyuDTwkbyCPBW/FMqAC2Dj3zkci.Z4cMiXe0Aei6iBg85d/yvMhAJMbWOPtCPFRj.nETtSGaXHQCBD/";

/// An OpenSMTPD; none if it cannot be had here.
pub(crate) async fn start() -> Option<MailServer> {
    let package = package();
    if !required::by_root("opensmtpd", &[&package.join("usr/sbin/smtpd")]) {
        return None;
    }
    let prepared = Prepared::new();
    prepared.make("mail", 0o700, Some((KEEPER, KEEPER)));
    prepared.make("root", 0o755, None);
    std::fs::copy(prepared.authority.file(), prepared.path().join("roots.pem")).unwrap();
    let (starttls, tls) = (prepared.starttls_port, prepared.tls_port);
    prepared.write(
        "smtpd.conf",
        &format!(
            r#"pki "relay.test" cert "/relay/cert.pem"
pki "relay.test" key "/relay/key.pem"
table users {{ "ada" = "{HASH}" }}
table boxes {{ "ada@example.org" = "keeper", "bob@example.org" = "keeper" }}
listen on 127.0.0.1 port {starttls} tls-require pki "relay.test" auth <users> hostname relay.test
listen on 127.0.0.1 port {tls} smtps pki "relay.test" auth <users> hostname relay.test
action "keep" maildir "/relay/mail/%{{rcpt.user}}" virtual <boxes>
match auth from any for domain "example.org" action "keep"
"#
        ),
    );
    prepared.write("start.sh", START);
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh"])
        .args([prepared.path().join("start.sh"), package, prepared.path().to_owned()]);
    Some(prepared.start(command).await)
}

fn package() -> PathBuf {
    if let Some(given) = std::env::var_os("LEGWORK_TEST_OPENSMTPD") {
        return given.into();
    }
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.unwrap_or_else(|| PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache"));
    cache.join("legwork/opensmtpd")
}

/// Puts the root together, of the unpacked package `$1` and the test's folder `$2`, and starts the server in it.
const START: &str = r#"set -e
root=$2/root
mount -t tmpfs none "$root"
cd "$root"
mkdir -p usr dev proc etc/ssl/certs tmp run var/spool/smtpd var/lib/opensmtpd/empty var/empty relay
for name in bin sbin lib lib64; do ln -s "usr/$name" "$name"; done
ln -s ../run var/run
chmod 711 var/spool/smtpd
chmod 1777 tmp
mount --bind "$1/usr" usr
mount --bind /dev dev
mount -t proc none proc
mount --bind "$2" relay
cp "$2/roots.pem" etc/ssl/certs/ca-certificates.crt
cat >etc/passwd <<END
root:x:0:0::/:/bin/sh
opensmtpd:x:990:990::/nonexistent:/usr/sbin/nologin
opensmtpq:x:991:991::/nonexistent:/usr/sbin/nologin
keeper:x:992:992::/relay/mail:/bin/sh
END
cat >etc/group <<END
root:x:0:
opensmtpd:x:990:
opensmtpq:x:991:
keeper:x:992:
END
echo '127.0.0.1 localhost' >etc/hosts
: >etc/resolv.conf
echo relay.test >etc/mailname
exec chroot "$root" /usr/sbin/smtpd -d -f /relay/smtpd.conf
"#;
