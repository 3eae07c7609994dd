"""A store below an S3 prefix, through dagster-aws. Credentials, region and endpoint are AWS's own settings."""

from __future__ import annotations

import datetime as dt
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from ab_pipeline.maintenance.object_store import SEAL, ObjectMissingError, StoredObject, StoreError, checked_name

_URL = re.compile(r"s3://(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?P<prefix>(/[^/]+)*)/?")
# stands in a folder that is being published or deleted
_PARTIAL = ".partial"
_MISSING = frozenset({"404", "NoSuchKey", "NotFound"})
# an upload may go on elsewhere, and nothing tells: S3 has no locks
_ABANDONED_AFTER = dt.timedelta(days=1)
_HINTS = {
    "AccessDenied": "these credentials may not do this: allow s3:ListBucket on the bucket, and s3:GetObject,"
    " s3:PutObject, s3:DeleteObject and s3:AbortMultipartUpload below the prefix",
    "403": "these credentials may not do this",
    "NoSuchBucket": "there is no such bucket: create it, or correct the location",
    "RequestTimeTooSkewed": "this machine's clock is wrong: S3 accepts a difference of 15 minutes. Set it",
    "InvalidAccessKeyId": "the access key is not known: see AWS_ACCESS_KEY_ID or the profile",
    "SignatureDoesNotMatch": "the secret key does not fit the access key",
    "ExpiredToken": "the session's token has expired: sign in again",
}


@dataclass(frozen=True)
class S3Store:
    """Objects are keys below the prefix, which is empty or ends with `/`."""

    bucket: str
    prefix: str

    @classmethod
    def at(cls, url: str) -> Self:
        """The store at s3://bucket/prefix.

        Raises:
            StoreError: it is no such URL.
        """
        match = _URL.fullmatch(url)
        if not match:
            raise StoreError(f"{url} is not of the form s3://bucket/prefix")
        prefix = match["prefix"].strip("/")
        return cls(match["bucket"], f"{prefix}/" if prefix else "")

    @property
    def location(self) -> str:
        """The URL."""
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")

    def put_file(self, name: str, path: Path) -> None:
        """Upload a file; a large one in parts, which S3 joins at once."""
        with self._explained(name):
            self._client.upload_file(str(path), self.bucket, self._key(name))

    def put_bytes(self, name: str, content: bytes) -> None:
        """Upload bytes."""
        with self._explained(name):
            self._client.put_object(Bucket=self.bucket, Key=self._key(name), Body=content)

    def get_file(self, name: str, path: Path) -> None:
        """Download to a file."""
        with self._explained(name):
            self._client.download_file(self.bucket, self._key(name), str(path))

    def get_bytes(self, name: str) -> bytes:
        """The object's content."""
        with self._explained(name):
            return self._client.get_object(Bucket=self.bucket, Key=self._key(name))["Body"].read()

    def exists(self, name: str) -> bool:
        """Whether there is such a key."""
        try:
            with self._explained(name):
                self._client.head_object(Bucket=self.bucket, Key=self._key(name))
        except ObjectMissingError:
            # a bucket that is missing answers like a key that is
            self.list(name)
            return False
        return True

    def list(self, folder: str = "") -> list[StoredObject]:
        """Every key below a prefix."""
        return [
            StoredObject(found["Key"].removeprefix(self.prefix), found["Size"], found["LastModified"])
            for found in self._found("list_objects_v2", "Contents", f"{self._key(folder)}/" if folder else self.prefix)
            if not found["Key"].endswith(f"/{_PARTIAL}")
        ]

    def delete(self, name: str) -> None:
        """Delete a key."""
        with self._explained(name):
            self._client.delete_object(Bucket=self.bucket, Key=self._key(name))

    @contextmanager
    def publishing(self, folder: str) -> Iterator[Path]:
        """A temporary folder, uploaded at the end, its SEAL after everything else."""
        if self.exists(f"{folder}/{SEAL}"):
            raise StoreError(f"{self.location}/{folder} exists already")
        with tempfile.TemporaryDirectory(prefix="ab-pipeline-") as temporary:
            local = Path(temporary)
            yield local
            self.put_bytes(f"{folder}/{_PARTIAL}", b"")
            for path in sorted(local.rglob("*"), key=lambda path: (path == local / SEAL, path)):
                if path.is_file():
                    self.put_file(f"{folder}/{path.relative_to(local).as_posix()}", path)
            self.delete(f"{folder}/{_PARTIAL}")

    def delete_folder(self, folder: str) -> None:
        """Delete its SEAL, then the rest."""
        self.put_bytes(f"{folder}/{_PARTIAL}", b"")
        self.delete(f"{folder}/{SEAL}")
        for found in self.list(folder):
            self.delete(found.name)
        self.delete(f"{folder}/{_PARTIAL}")

    def delete_leftovers(self) -> list[str]:
        """Abort uploads that began more than a day ago, and delete folders as old that were never sealed."""
        abandoned_before = dt.datetime.now(dt.UTC) - _ABANDONED_AFTER
        uploads = [
            upload
            for upload in self._found("list_multipart_uploads", "Uploads", self.prefix)
            if upload["Initiated"] < abandoned_before
        ]
        for upload in uploads:
            with self._explained(upload["Key"]):
                self._client.abort_multipart_upload(Bucket=self.bucket, Key=upload["Key"], UploadId=upload["UploadId"])
        folders = [
            found["Key"].removeprefix(self.prefix).removesuffix(f"/{_PARTIAL}")
            for found in self._found("list_objects_v2", "Contents", self.prefix)
            if found["Key"].endswith(f"/{_PARTIAL}") and found["LastModified"] < abandoned_before
        ]
        for folder in folders:
            if self.exists(f"{folder}/{SEAL}"):
                self.delete(f"{folder}/{_PARTIAL}")
            else:
                self.delete_folder(folder)
        return [*(upload["Key"].removeprefix(self.prefix) for upload in uploads), *folders]

    def _found(self, operation: str, what: str, prefix: str) -> list[dict[str, Any]]:
        with self._explained(prefix.removeprefix(self.prefix)):
            pages = self._client.get_paginator(operation).paginate(Bucket=self.bucket, Prefix=prefix)
            return [found for page in pages for found in page.get(what, [])]

    @cached_property
    def _client(self) -> Any:
        from dagster_aws.s3 import S3Resource

        return S3Resource().get_client()

    def _key(self, name: str) -> str:
        return f"{self.prefix}{checked_name(name)}"

    @contextmanager
    def _explained(self, name: str) -> Iterator[None]:
        from boto3.exceptions import Boto3Error
        from botocore.exceptions import BotoCoreError, ClientError

        where = f"{self.location}/{name}".rstrip("/")
        try:
            yield
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code in _MISSING:
                raise ObjectMissingError(f"{where}: there is no such object") from error
            raise StoreError(f"{where}: {_HINTS.get(code, error)} ({code})") from error
        except Boto3Error as error:
            code = next((code for code in _HINTS if f"({code})" in str(error)), "")
            raise StoreError(f"{where}: {_HINTS.get(code, error)}" + (f" ({code})" if code else "")) from error
        except BotoCoreError as error:
            raise StoreError(f"{where}: {error}") from error
