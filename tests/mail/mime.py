"""Reads each message of a folder and compares it with what was asked for."""

import email
import email.header
import email.policy
import email.utils
import hashlib
import json
import pathlib
import sys


def addresses(header):
    # By the older of the two readers that Python has: the newer one puts a blank between the encoded words of one name, which
    # belong together (RFC 2047, 6.2). Blanks in a row are one between the words of a name (RFC 5322, 3.2.2).
    # Unfolded first (RFC 5322, 2.2.3): that reader takes the end of a line for the end of a name in quotes.
    header = str(header).replace("\r\n", "") if header else ""
    found = []
    for name, address in email.utils.getaddresses([header] if header else []):
        name = str(email.header.make_header(email.header.decode_header(name)))
        found.append([" ".join(name.split()), address])
    return found


def text_of(part):
    return part.get_payload(decode=True).decode("utf-8").replace("\r\n", "\n")


def same(field, wanted, found):
    # Where a text ends a message, a line end more comes behind it.
    if field in ("text", "html") and wanted is not None and found is not None:
        return wanted.rstrip("\n") == found.rstrip("\n")
    if field == "files":
        # The reader takes a name that begins and ends with a quote for one that is quoted.
        wanted = [one | {"name": email.utils.unquote(one["name"])} for one in wanted]
    return wanted == found


def read(data):
    message = email.message_from_bytes(data, policy=email.policy.default)
    plain = email.message_from_bytes(data, policy=email.policy.compat32)
    found = {
        "from": addresses(plain["from"]),
        "to": addresses(plain["to"]),
        "cc": addresses(plain["cc"]),
        "reply_to": addresses(plain["reply-to"]),
        "bcc": message["bcc"],
        "subject": str(message["subject"]),
        "headers": {name: str(message[name]) for name in message.keys() if name.startswith("X-Test")},
        "text": None,
        "html": None,
        "files": [],
        "defects": [],
    }
    for part in message.walk():
        found["defects"] += [type(defect).__name__ for defect in part.defects]
        if part.is_multipart():
            continue
        name = part.get_filename()
        if name is not None:
            content_id = part["content-id"]
            found["files"].append({
                "name": name,
                "type": part.get_content_type(),
                "id": content_id and str(content_id).strip("<>"),
                "inline": part.get_content_disposition() == "inline",
                "sha256": hashlib.sha256(part.get_payload(decode=True)).hexdigest(),
            })
        elif part.get_content_type() == "text/plain":
            found["text"] = text_of(part)
        elif part.get_content_type() == "text/html":
            found["html"] = text_of(part)
    return found


wrong = 0
folder = pathlib.Path(sys.argv[1])
for path in sorted(folder.glob("*.eml")):
    wanted = json.loads(path.with_suffix(".json").read_text())
    found = read(path.read_bytes())
    for field in wanted:
        if not same(field, wanted[field], found[field]):
            wrong += 1
            print(f"{path.name}: {field}\n  wanted {wanted[field]!r}\n  found  {found[field]!r}")
print("read", len(list(folder.glob("*.eml"))))
sys.exit(1 if wrong else 0)
