"""A store that lasts: what was acknowledged is there after it was killed."""

import pytest

from promolab.serve.stores import BEGINNING, RedisStore, StoreDown, open_store
from tests.refused import refused


def test_what_is_acknowledged_survives_a_power_cut(valkey):
    store = open_store(valkey.url, "week")
    names = [store.append(f"{k}".encode()) for k in range(20)]
    assert store.append_after(b"late", names[0]) is None
    last = store.append_after(b"next", names[-1])
    valkey.kill()
    with pytest.raises(StoreDown, match="does not answer"):
        store.append(b"lost")
    valkey.start()
    found = store.read(BEGINNING, 0)
    assert [entry for _, entry in found] == [*(f"{k}".encode() for k in range(20)), b"next"]
    assert found[-1][0] == last and store.read(names[-1], 20) == found[-1:]


def test_a_store_that_is_none_or_may_forget_is_refused_and_its_errors_are_said(valkey):
    store = open_store(valkey.url, "week")
    told = r"everysec, maxmemory-policy noeviction\); start it"
    lru = ("maxmemory-policy", "allkeys-lru", "maxmemory-policy allkeys-lru")
    for setting, value, said in (lru, ("appendfsync", "everysec", told)):
        before = store._redis.config_get(setting)[setting]
        store._redis.config_set(setting, value)
        refused(said, RedisStore, valkey.url, "week")
        store._redis.config_set(setting, before)
    store._redis.config_set("maxmemory", "1")
    with pytest.raises(StoreDown, match=r"answers with an error \(OutOfMemoryError\)"):
        store.append(b"lost")
    refused("neither memory nor redis", open_store, "http://127.0.0.1", "week")
