"""An instrument: a profile spoken over a link. What is particular to an instrument stands in its profile alone."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from power.errors import LinkError, ReplyError
from power.link import VisaLink
from power.meter import MeterInfo, Reading
from power.profile import Profile, find_profile, shipped_profiles
from power.ranging import Ranging
from power.reply import parse_identity, parse_reply

IDENTITY_QUERY: Final = "*IDN?"
_IDENTITY_TRIES: Final = 3
_READY_POLL_S: Final = 0.005
_ERRORS_READ: Final = 20
_PROVE_S: Final = 5.0
_VIRTUAL: Final = re.compile(r"\bVIRTUAL\b", re.IGNORECASE)


class Instrument:
    """A power analyzer as a `power.meter.Meter`.

    Args:
        resource: VISA resource name.
        profiles: the profiles that it may have; the shipped ones where none are given.
        integrate: run the instrument's own integrator, as a cross-check of the trapezoid.
    """

    def __init__(self, resource: str, profiles: Iterable[Profile] | None = None, *, integrate: bool = True) -> None:
        self._profiles = tuple(shipped_profiles() if profiles is None else profiles)
        self._link = VisaLink(resource)
        self._integrate = integrate
        self._profile: Profile | None = None
        self._identity = ""
        self._ranging = Ranging(self._link, None)
        self._elapsed_s: float | None = None
        self._proved_s = time.monotonic()

    @property
    def info(self) -> MeterInfo:
        """What it is.

        Raises:
            LinkError: it was never open.
        """
        profile = self._known()
        return MeterInfo(
            name=profile.description,
            resource=self._link.resource,
            identity=self._identity,
            profile=profile.name,
            profile_sha256=profile.sha256,
            scope=profile.scope,
            # The virtual analyzer says so where an instrument has its serial number.
            measured=_VIRTUAL.search(self._identity) is None,
            kind=profile.kind,
            update_s=profile.update_s,
            reading_pct=profile.accuracy.reading_pct,
            range_pct=profile.accuracy.range_pct,
            range_w=self._ranging.range_w,
            range_mode=self._ranging.mode,
        )

    def open(self) -> None:
        """Connect, ask who answers, find the profile, set up, and read the set-up back.

        The range is automatic until `fix_range`, where the profile knows how.

        Raises:
            LinkError: nobody answers, no profile fits, or the instrument did not take the set-up.
        """
        self._link.open()
        try:
            self._identity = self._meet()
            self._profile = self._find_profile()
            self._link.terminators(*self._profile.terminators)
            self._set_up(self._profile)
            self._ranging = Ranging(self._link, self._profile.range)
            self._ranging.free()
        except BaseException:
            self._link.close()
            raise

    def fix_range(self) -> None:
        """Hold the widest range that the instrument chose since `open`; see `power.meter.Meter.fix_range`."""
        self._ranging.fix()

    def read(self) -> Reading:
        """One reading.

        Raises:
            ReplyError: the reply holds no value (cause "restarted": the integrator began anew; "range": the power
                range is no longer the one that was held).
            LinkError: the connection is lost.
        """
        profile = self._known()
        try:
            self._ranging.watch()
            self._prove_at_times()
            if profile.ready is not None:
                self._await_ready(profile)
            asked_s = time.monotonic()
            if profile.block:
                volts = self._link.query(profile.volts) if profile.volts else None
                reading = parse_reply(profile, self._link.query_block(profile.read), volts=volts)
            else:
                reading = parse_reply(profile, self._link.query(profile.read))
        except ReplyError as error:
            if error.cause in {"timeout", "duplicate"}:
                # What comes late must not answer the next question.
                self._link.resynchronise()
                self._prove()
            raise
        if not self._integrate:
            # The clock of an integrator that was never started stands still, and says nothing.
            reading = replace(reading, energy_wh=None, elapsed_s=None)
        elif reading.elapsed_s is not None:
            before, self._elapsed_s = self._elapsed_s, reading.elapsed_s
            if before is not None and reading.elapsed_s < before:
                raise ReplyError(f"{self._link.resource}: its integrator began anew", "restarted")
        return replace(reading, asked_s=asked_s)

    def recover(self) -> None:
        """Connect again, prove that the same instrument answers, and set it up anew.

        Raises:
            LinkError: nobody answers, or another instrument does (cause "replaced").
        """
        self._link.reopen()
        self._prove()
        self._set_up(self._known())
        self._ranging.restore()

    def close(self) -> None:
        """Stop what was started, and let go."""
        if self._profile is not None and self._link.is_open:
            try:
                for command in self._profile.stop:
                    self._link.write(command)
                if self._profile.integrate is not None and self._integrate:
                    self._link.write(self._profile.integrate.stop)
            except LinkError:
                pass  # it is gone already
        self._link.close()

    def _known(self) -> Profile:
        if self._profile is None:
            raise LinkError(f"{self._link.resource} was never open")
        return self._profile

    def _find_profile(self) -> Profile:
        profile = find_profile(self._identity, self._profiles)
        if profile is None:
            raise LinkError(
                f"{self._link.resource} is {self._identity}, for which there is no profile",
                "write one (docs/power.md): " + ", ".join(known.name for known in self._profiles) + " exist",
            )
        return profile

    def _ask_identity(self) -> str:
        error: ReplyError | None = None
        for _ in range(_IDENTITY_TRIES):
            try:
                return parse_identity(self._link.query(IDENTITY_QUERY))
            except ReplyError as failure:
                error = failure
                self._link.resynchronise()
        raise LinkError(
            f"{self._link.resource} does not say who it is: {error}",
            "`iot-farm power probe` shows the dialogue; is another program connected to it?",
            error.cause if error else "unreachable",
        )

    def _meet(self) -> str:
        """Ask for the identity, with each end of a line that a profile uses: it is not known yet who answers.

        Serial instruments mostly end lines with CR LF, and to one that does not it is a blank (IEEE 488.2, 7.4.1.2).
        """
        ends = dict.fromkeys(profile.terminators for profile in self._profiles)
        serial = self._link.resource.upper().startswith("ASRL")
        problem: LinkError | None = None
        for terminators in sorted(ends, key=lambda end: serial and end.write != "\r\n"):
            self._link.terminators(*terminators)
            try:
                return self._ask_identity()
            except LinkError as error:
                if error.cause in {"eof", "reset", "unreachable"}:
                    raise
                problem = problem or error
        assert problem is not None
        raise problem

    def _prove_at_times(self) -> None:
        """A serial line or a bus does not tell when somebody plugs another instrument in."""
        if time.monotonic() - self._proved_s >= _PROVE_S:
            self._prove()

    def _prove(self) -> None:
        self._proved_s = time.monotonic()
        identity = self._ask_identity()
        if identity != self._identity:
            raise LinkError(
                f"{self._link.resource} is {identity} now, and was {self._identity}",
                "measure again with one instrument",
                "replaced",
            )

    def _set_up(self, profile: Profile) -> None:
        for command in profile.setup:
            self._link.write(command)
        for check in profile.verify:
            answer = self._text(check.query)
            if not re.fullmatch(check.expect, answer):
                raise LinkError(
                    f"{self._link.resource} did not take its set-up: {check.query} answers {answer!r}",
                    f"compare profile {profile.name} with the manual of the instrument",
                )
        if profile.error:
            self._refuse_errors(profile)
        if profile.integrate is not None and self._integrate:
            for command in (profile.integrate.reset, profile.integrate.start):
                self._link.write(command)
            time.sleep(profile.integrate.settle_s)
        self._elapsed_s = None

    def _refuse_errors(self, profile: Profile) -> None:
        """Empty the error queue; complain about the first entry."""
        found = ""
        for _ in range(_ERRORS_READ):
            answer = self._text(profile.error)
            if re.search(profile.error_ok, answer):
                break
            found = found or answer
        if found:
            raise LinkError(
                f"{self._link.resource} reports an error after its set-up: {found}",
                f"compare profile {profile.name} with the manual of the instrument",
            )

    def _await_ready(self, profile: Profile) -> None:
        assert profile.ready is not None
        give_up_s = time.monotonic() + 2 * profile.update_s + 0.5
        while self._text(profile.ready.query) != profile.ready.value:
            if time.monotonic() > give_up_s:
                raise ReplyError(f"{self._link.resource} has no new reading", "frozen")
            time.sleep(_READY_POLL_S)

    def _text(self, query: str) -> str:
        return self._link.query(query).decode("ascii", "replace").strip()
