"""Accounts, keys and repositories, on both engines."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from hullwise.domain.errors import RepositoryAlreadyExists, RepositoryNotFound
from hullwise.store import accounts, images, repositories
from hullwise.store.accounts import AccessKey
from hullwise.store.engine import Database
from tests.support.rows import ACCOUNT, NOON, OTHER_ACCOUNT, REGION, image, later, repository


def test_an_account_is_made_once(database: Database) -> None:
    """Ensuring an account that is there is no error, and it stays as old as it is."""
    with database.write() as tx:
        assert accounts.default(tx, "") == ""
        accounts.ensure_account(tx, ACCOUNT, NOON)
        accounts.ensure_account(tx, ACCOUNT, later(5))
        assert (accounts.default(tx, ""), accounts.first_made(tx)) == (ACCOUNT, NOON)


def test_keys_come_back_as_they_were_given(database: Database) -> None:
    """A key keeps its bytes and its moment to the microsecond; keys are listed oldest first."""
    old = AccessKey("AKIAZ", ACCOUNT, b"\x00\xff sealed", NOON, None)
    new = AccessKey("AKIAA", ACCOUNT, b"", later(1), None)
    other = AccessKey("AKIAB", OTHER_ACCOUNT, b"x", later(0.5), None)
    with database.write() as tx:
        accounts.ensure_account(tx, ACCOUNT, NOON)
        accounts.ensure_account(tx, OTHER_ACCOUNT, NOON)
        for key in (new, other, old):
            accounts.add_key(tx, key)
        assert accounts.find_key(tx, "AKIAZ") == old
        assert accounts.find_key(tx, "AKIAX") is None
        assert accounts.list_keys(tx) == [old, other, new]
        assert accounts.list_keys(tx, ACCOUNT) == [old, new]


def test_a_key_is_revoked_once(database: Database) -> None:
    """The first revocation counts and keeps its moment; one of a key that is not there is none."""
    key = AccessKey("AKIAZ", ACCOUNT, b"x", NOON, None)
    with database.write() as tx:
        accounts.ensure_account(tx, ACCOUNT, NOON)
        accounts.add_key(tx, key)
        assert accounts.revoke_key(tx, "AKIAZ", later(1))
        assert not accounts.revoke_key(tx, "AKIAZ", later(2))
        assert not accounts.revoke_key(tx, "AKIAX", later(2))
        assert accounts.find_key(tx, "AKIAZ") == replace(key, revoked_at=later(1))


def test_a_repository_comes_back_as_it_was_made(database: Database) -> None:
    """Every field that was given is read back, by name and by id."""
    filters = ({"filterType": "WILDCARD", "filter": "v*"},)
    with database.write() as tx:
        made = repository(
            tx,
            "team/app",
            tag_mutability="IMMUTABLE_WITH_EXCLUSION",
            mutability_exclusions=filters,
            scan_on_push=True,
            encryption={"encryptionType": "KMS", "kmsKey": "k"},
        )
    with database.read() as tx:
        assert repositories.get(tx, ACCOUNT, REGION, "team/app") == made
        assert repositories.by_id(tx, made.id) == made
    assert (made.account, made.region, made.name, made.created_at) == (ACCOUNT, REGION, "team/app", NOON)
    assert (made.tag_mutability, made.mutability_exclusions) == ("IMMUTABLE_WITH_EXCLUSION", filters)
    assert (made.scan_on_push, made.encryption) == (True, {"encryptionType": "KMS", "kmsKey": "k"})


def test_a_name_is_taken_in_its_account_and_region_only(database: Database) -> None:
    """The same name is refused a second time, and free in another region and another account."""
    with database.write() as tx:
        repository(tx)
        repository(tx, region="us-east-1")
        repository(tx, account=OTHER_ACCOUNT)
        with pytest.raises(RepositoryAlreadyExists):
            repository(tx)
        assert repositories.find(tx, OTHER_ACCOUNT, "us-east-1", "team/app") is None
        with pytest.raises(RepositoryNotFound):
            repositories.get(tx, OTHER_ACCOUNT, "us-east-1", "team/app")


def test_of_two_who_take_a_name_at_once_one_gets_it(database: Database) -> None:
    """Whoever is later is told that the repository exists, however close they were."""
    start = threading.Barrier(4)
    outcomes: list[str] = []
    with database.write() as tx:
        accounts.ensure_account(tx, ACCOUNT, NOON)

    def create() -> None:
        start.wait()
        try:
            with database.write() as tx:
                repositories.create(tx, account=ACCOUNT, region=REGION, name="team/app", now=NOON)
            outcomes.append("made")
        except RepositoryAlreadyExists:
            outcomes.append("taken")

    threads = [threading.Thread(target=create) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["made", "taken", "taken", "taken"]


def test_pages_follow_the_bytes_of_names(database: Database) -> None:
    """Pages of any size, put together, are every repository of the account and region once, in the order of bytes."""
    ordered = ["a-a", "a.a", "a/a", "a0", "a_a", "aa", "b/1", "b/10", "b/2"]
    with database.write() as tx:
        for name in reversed(ordered):
            repository(tx, name)
        repository(tx, "a1", account=OTHER_ACCOUNT)
        repository(tx, "a2", region="us-east-1")
    for size in (1, 2, 4, 100):
        found: list[str] = []
        with database.read() as tx:
            while page := repositories.page(tx, ACCOUNT, REGION, found[-1] if found else "", size):
                assert len(page) <= size
                found += [each.name for each in page]
        assert found == ordered


def test_deleting_a_repository_takes_what_is_in_it(database: Database) -> None:
    """Its images and labels go with it and those of others stay; the name used again is another repository."""
    with database.write() as tx:
        gone, stays = repository(tx, "gone/app"), repository(tx, "stays/app")
        for each in (gone, stays):
            images.tag(tx, each.id, "latest", image(tx, each.id).id, NOON)
            repositories.set_labels(tx, each.id, {"team": "one"})
        repositories.delete(tx, gone.id)
        again = repository(tx, "gone/app")
        assert repositories.by_id(tx, gone.id) is None
        assert not images.any_image(tx, again.id)
        assert repositories.labels(tx, again.id) == {}
        assert images.tag_names(tx, again.id, "", 10) == []
        assert images.any_image(tx, stays.id)
        assert repositories.labels(tx, stays.id) == {"team": "one"}


def test_scan_on_push_is_set_and_unset(database: Database) -> None:
    """The setting is what it was set to last, in this repository only."""
    with database.write() as tx:
        one, two = repository(tx, "one/app"), repository(tx, "two/app")
        repositories.set_scan_on_push(tx, one.id, True)
        found = [repositories.get(tx, ACCOUNT, REGION, each.name).scan_on_push for each in (one, two)]
        assert found == [True, False]
        repositories.set_scan_on_push(tx, one.id, False)
        assert not repositories.get(tx, ACCOUNT, REGION, "one/app").scan_on_push


def test_labels_are_replaced_added_and_removed(database: Database) -> None:
    """A label set again has its new value, others stay; they come in the order of the bytes of their keys."""
    with database.write() as tx:
        one = repository(tx).id
        repositories.set_labels(tx, one, {"b": "1", "B": "2", "_": "3"})
        repositories.set_labels(tx, one, {"b": "4", "a": ""})
        repositories.set_labels(tx, one, {})
        assert list(repositories.labels(tx, one).items()) == [("B", "2"), ("_", "3"), ("a", ""), ("b", "4")]
        repositories.remove_labels(tx, one, ["B", "never there"])
        assert repositories.labels(tx, one) == {"_": "3", "a": "", "b": "4"}
