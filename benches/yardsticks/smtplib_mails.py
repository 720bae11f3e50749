"""Sends mails by smtplib, one after another over one connection, and says how many a second: host port mails bytes."""
import smtplib
import sys
import time

host, port, mails, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
head = "From: legwork@example.com\r\nTo: ada@example.com\r\nSubject: A figure\r\n\r\n"
message = (head + ("x" * 62 + "\r\n") * (size // 64)).encode()
with smtplib.SMTP(host, port) as connection:
    connection.ehlo()
    start = time.perf_counter()
    for _ in range(mails):
        connection.sendmail("legwork@example.com", ["ada@example.com"], message)
    print(f"{mails / (time.perf_counter() - start):.3f}")
