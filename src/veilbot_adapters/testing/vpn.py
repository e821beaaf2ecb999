"""The contract of the VPN port."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Mapping
from uuid import UUID

import pytest

from veilbot_core.domain.errors import InvalidInput, Unavailable, Unknown
from veilbot_core.domain.ids import KeyId
from veilbot_core.ports.vpn import Endpoint, KeySpec, RemoteKey, Unlisted, VpnProtocol


class VpnSubject(ABC):
    """An adapter, two of its servers, both empty and well, and a hand on them.

    The servers are numbered 0 and 1. They may be small ones of your own, as long as the adapter reaches them as it
    would reach real ones.
    """

    vpn: VpnProtocol
    given: Mapping[str, str]
    """What an operator gives to reach server 0; nothing and nothing but blanks are refused."""

    @abstractmethod
    def endpoint(self, index: int = 0) -> Endpoint:
        """Return how to reach a server: settings that went through `VpnProtocol.settings`, the same each time."""

    @abstractmethod
    async def there(self, index: int = 0) -> set[str]:
        """Return the remote ids of a server's keys, seen behind the adapter's back."""

    @abstractmethod
    async def foreign(self, key_id: str) -> None:
        """Plant a key that we did not make on server 0."""

    @abstractmethod
    async def carry(self, key_id: KeyId, count: int) -> None:
        """Let a key of server 0 carry ``count`` bytes more."""

    @abstractmethod
    async def down(self) -> None:
        """Let server 0 be gone: nobody takes the connection."""

    @abstractmethod
    async def up(self) -> None:
        """Bring server 0 back, with its keys, and end what `lose_answer` began."""

    @abstractmethod
    async def lose_answer(self) -> None:
        """Let the next call to server 0 take effect, and its answer not come; more calls may suffer it until `up`."""


def key(number: int, *, limit: int | None = None) -> KeySpec:
    """Return a key to be; ``limit`` is in bytes."""
    return KeySpec(id=KeyId(UUID(int=number)), name="Amsterdam 1", limit=limit)


@pytest.mark.asyncio
class VpnContract:
    """A `VpnProtocol` makes keys be there or be gone, idempotently, and tells what it knows from what it does not.

    Give the adapter one attempt, and little patience while `lose_answer` holds (0.5 s): a test waits for answers that
    do not come. Otherwise be generous with it, or a busy machine fails you.
    """

    @pytest.fixture
    def subject(self) -> VpnSubject:
        """Return what is tried; yours takes the place of this one."""
        raise NotImplementedError

    async def test_it_is_the_port(self, subject: VpnSubject) -> None:
        assert isinstance(subject.vpn, VpnProtocol)

    async def test_settings_are_normal_after_one_check(self, subject: VpnSubject) -> None:
        kept = subject.vpn.settings(subject.given)
        assert subject.vpn.settings(kept) == kept

    async def test_settings_that_reach_nothing_are_refused_by_field(self, subject: VpnSubject) -> None:
        for given in ({}, dict.fromkeys(subject.given, " ")):
            with pytest.raises(InvalidInput) as caught:
                subject.vpn.settings(given)
            assert caught.value.field

    async def test_an_issued_key_is_there_and_opens_something(self, subject: VpnSubject) -> None:
        url = await subject.vpn.issue(subject.endpoint(), key(7, limit=1000))
        assert "://" in url
        assert await subject.there() == {str(key(7).id)}

    async def test_the_list_is_what_is_there_or_says_since_when_the_server_runs(self, subject: VpnSubject) -> None:
        await subject.vpn.issue(subject.endpoint(), key(7, limit=1000))
        found = await subject.vpn.list(subject.endpoint())
        if isinstance(found, Unlisted):
            assert found.uptime >= 0
        else:
            shown = found[str(key(7).id)]
            assert found == {shown.id: RemoteKey(id=shown.id, limit=shown.limit, limited=shown.limited)}
            assert shown.limit == 1000 or not shown.limited

    async def test_a_server_that_does_not_list_tells_its_uptime_when_it_is_probed(self, subject: VpnSubject) -> None:
        if isinstance(await subject.vpn.list(subject.endpoint()), Unlisted):
            assert (await subject.vpn.probe(subject.endpoint())).uptime is not None

    async def test_issuing_again_is_the_same_key(self, subject: VpnSubject) -> None:
        first = await subject.vpn.issue(subject.endpoint(), key(7))
        assert await subject.vpn.issue(subject.endpoint(), key(7)) == first
        assert len(await subject.there()) == 1

    @pytest.mark.parametrize(("before", "after"), [(None, 5), (5, None), (5, 6), (5, 0)])
    async def test_issuing_again_changes_the_limit(
        self, subject: VpnSubject, before: int | None, after: int | None
    ) -> None:
        first = await subject.vpn.issue(subject.endpoint(), key(7, limit=before))
        assert await subject.vpn.issue(subject.endpoint(), key(7, limit=after)) == first
        found = await subject.vpn.list(subject.endpoint())
        if not isinstance(found, Unlisted) and found[str(key(7).id)].limited:
            assert found[str(key(7).id)].limit == after

    async def test_twenty_at_once_issue_one_key(self, subject: VpnSubject) -> None:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(subject.vpn.issue(subject.endpoint(), key(7))) for _ in range(20)]
        assert len({task.result() for task in tasks}) == 1
        assert len(await subject.there()) == 1

    async def test_a_restore_is_as_good_as_issuing_each(self, subject: VpnSubject) -> None:
        first = await subject.vpn.issue(subject.endpoint(), key(7))
        urls = await subject.vpn.restore(subject.endpoint(), [key(number) for number in range(7, 107)])
        assert urls[key(7).id] == first
        assert set(urls) == {key(number).id for number in range(7, 107)}
        assert await subject.there() == {str(key_id) for key_id in urls}
        assert await subject.vpn.restore(subject.endpoint(), []) == {}

    async def test_a_restore_that_brings_nothing_back_says_why(self, subject: VpnSubject) -> None:
        await subject.down()
        with pytest.raises(Unavailable):
            await subject.vpn.restore(subject.endpoint(), [key(7), key(8)])

    async def test_a_revoked_key_is_gone_and_may_be_revoked_again(self, subject: VpnSubject) -> None:
        await subject.vpn.issue(subject.endpoint(), key(7))
        await subject.vpn.issue(subject.endpoint(), key(8))
        await subject.vpn.revoke(subject.endpoint(), key(7).id)
        await subject.vpn.revoke(subject.endpoint(), key(7).id)
        await subject.vpn.revoke(subject.endpoint(), key(9).id)
        assert await subject.there() == {str(key(8).id)}

    async def test_servers_do_not_share_keys(self, subject: VpnSubject) -> None:
        await subject.vpn.issue(subject.endpoint(0), key(7))
        assert await subject.there(1) == set()

    async def test_foreign_keys_are_seen_and_left_alone(self, subject: VpnSubject) -> None:
        await subject.foreign("42")
        await subject.vpn.issue(subject.endpoint(), key(7))
        await subject.vpn.revoke(subject.endpoint(), key(7).id)
        assert await subject.there() == {"42"}
        found = await subject.vpn.list(subject.endpoint())
        assert isinstance(found, Unlisted) or set(found) == {"42"}

    async def test_usage_holds_what_was_measured_only(self, subject: VpnSubject) -> None:
        for number in (7, 8):
            await subject.vpn.issue(subject.endpoint(), key(number))
        await subject.carry(key(7).id, 1000)
        await subject.carry(key(7).id, 24)
        assert (await subject.vpn.usage(subject.endpoint())).bytes_by_key == {str(key(7).id): 1024}

    async def test_a_probe_says_who_answers(self, subject: VpnSubject) -> None:
        info = await subject.vpn.probe(subject.endpoint())
        assert info.name
        assert info.version

    async def test_a_server_that_is_gone_is_unavailable_and_comes_back_with_its_keys(self, subject: VpnSubject) -> None:
        url = await subject.vpn.issue(subject.endpoint(), key(7))
        await subject.down()
        for call in (
            subject.vpn.issue(subject.endpoint(), key(7)),
            subject.vpn.revoke(subject.endpoint(), key(7).id),
            subject.vpn.list(subject.endpoint()),
            subject.vpn.usage(subject.endpoint()),
        ):
            with pytest.raises(Unavailable):
                await call
        await subject.vpn.probe(subject.endpoint(1))
        await subject.up()
        assert await subject.vpn.issue(subject.endpoint(), key(7)) == url

    async def test_a_lost_answer_is_unknown_and_asking_again_is_safe(self, subject: VpnSubject) -> None:
        await subject.lose_answer()
        with pytest.raises(Unknown):
            await subject.vpn.issue(subject.endpoint(), key(7, limit=5))
        await subject.up()
        assert await subject.there() == {str(key(7).id)}
        await subject.vpn.issue(subject.endpoint(), key(7, limit=5))
        await subject.lose_answer()
        with pytest.raises(Unknown):
            await subject.vpn.revoke(subject.endpoint(), key(7).id)
        await subject.up()
        await subject.vpn.revoke(subject.endpoint(), key(7).id)
        assert await subject.there() == set()
