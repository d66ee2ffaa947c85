"""Who may do what in the emulated Snowflake: users, roles, grants, ownership, warehouses.

A statement is judged before it is run and remembered after it. What isn't known here is refused, so
that a new kind of statement is looked up in Snowflake's reference before a test lets it through.
"""

import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NoReturn

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key
from fakesnow.dialect import parse_one
from snowflake.connector.errors import ProgrammingError
from snowflake_grammar import unfit, unfit_names
from sqlglot import exp

NOT_THERE, NO_RIGHT, NO_WAREHOUSE = 2003, 3001, 606
"""Snowflake's errors: not there or not to be seen; insufficient privileges; nothing computes."""
SYSTEM_ROLES = {
    "ACCOUNTADMIN": {"SECURITYADMIN", "SYSADMIN"},
    "SECURITYADMIN": {"USERADMIN"},
    "USERADMIN": {"PUBLIC"},
    "SYSADMIN": {"PUBLIC"},
    "PUBLIC": set(),
}
CREATORS = {
    "ROLE": "USERADMIN",
    "USER": "USERADMIN",
    "DATABASE": "SYSADMIN",
    "WAREHOUSE": "SYSADMIN",
    "NETWORK POLICY": "SECURITYADMIN",
    "INTEGRATION": "ACCOUNTADMIN",
    "RESOURCE MONITOR": "ACCOUNTADMIN",
}
"""Which system role may make what belongs to the account."""
IN_SCHEMA = ("TABLE", "VIEW", "STAGE", "FILE FORMAT", "FUNCTION")
KINDS = "|".join([*CREATORS, "SCHEMA", *IN_SCHEMA, "STORAGE INTEGRATION"]).replace(" ", r"\s+")
NAME = r'(?P<name>(?:"[^"]+"|[\w$]+)(?:\.(?:"[^"]+"|[\w$]+))*)'
CREATE = re.compile(
    rf"create\s+(?P<replace>or\s+replace\s+)?(?P<how>(?:transient|temporary|secure)\s+)*"
    rf"(?P<kind>{KINDS})\s+(?P<if>if\s+not\s+exists\s+)?{NAME}(?P<rest>.*)",
    re.IGNORECASE | re.DOTALL,
)
ALTER = re.compile(
    rf"(?:alter|drop)\s+(?P<kind>{KINDS})\s+(?:if\s+exists\s+)?{NAME}(?P<rest>.*)",
    re.IGNORECASE | re.DOTALL,
)
GRANT_ROLE = re.compile(r"grant\s+role\s+(\w+)\s+to\s+(role|user)\s+(\w+)\s*$", re.IGNORECASE)
GRANT = re.compile(
    rf"grant\s+(?P<rights>[\w, ]+?)\s+on\s+(?:(?P<many>all|future)\s+(?P<kinds>[\w ]+?)\s+in\s+"
    rf"schema|(?P<kind>{KINDS}))\s+{NAME}\s+to\s+role\s+(?P<role>\w+)"
    r"(?P<current>\s+(?:copy|revoke)\s+current\s+grants)?\s*$",
    re.IGNORECASE,
)
NO_NAMES = re.compile(
    r"(copy|grant|use|desc\w*\s+integration|(create|alter|drop)\s+(?!or\s|transient\s|temporary\s"
    r"|table|view|schema|database))",
    re.IGNORECASE,
)
"""What fakesnow's grammar doesn't know: names in it are looked at one by one."""
SECRETLESS = re.compile(r"(begin|commit|rollback|show|alter\s+session)\b", re.IGNORECASE)
"""What anybody may say. What `show` lists isn't narrowed to what the role may see."""

Thing = tuple[str, str]
"""A kind and a full name, in the spelling that Snowflake keeps."""


@dataclass
class User:
    """Somebody who may log in with one of two keys."""

    kind: str = "PERSON"
    keys: dict[str, RSAPublicKey] = field(default_factory=dict)
    roles: set[str] = field(default_factory=set)
    aborts_on_error: bool = False
    """Whether an error aborts the transaction: a parameter of this name, off unless it is set."""


@dataclass
class Session:
    """Who is there, as what, and what computes for them."""

    role: str
    warehouse: str
    aborts_on_error: bool = False


@dataclass
class Access:
    """The account: who is in it, and who may do what."""

    users: dict[str, User] = field(default_factory=dict)
    roles: dict[str, set[str]] = field(
        default_factory=lambda: {name: set(below) for name, below in SYSTEM_ROLES.items()}
    )
    """Each with those whose rights it has too."""
    owners: dict[Thing, str] = field(default_factory=dict)
    grants: set[tuple[str, str, Thing]] = field(default_factory=set)
    future: set[tuple[str, str, str, str]] = field(default_factory=set)
    """Role, right, kind, schema."""
    sessions: dict[Any, Session] = field(default_factory=dict)

    def add_administrator(self, name: str, key: RSAPublicKey) -> None:
        """Somebody who was there before anything was set up."""
        self.users[name] = User("PERSON", {"RSA_PUBLIC_KEY": key}, {"ACCOUNTADMIN"})

    def login(self, user: str, token: str, role: str | None) -> str | None:
        """Why Snowflake lets somebody not in; None when it does."""
        known = self.users.get(user.upper())
        for key in known.keys.values() if known else ():
            try:
                jwt.decode(token, key, ["RS256"], options={"verify_aud": False})
            except jwt.InvalidTokenError:
                continue
            if role and role.upper() not in self.all_roles(known.roles):  # type: ignore[union-attr]
                return f"Role '{role}' specified in the connect string is not granted to this user."
            return None
        return "JWT token is invalid."

    def all_roles(self, granted: set[str]) -> set[str]:
        """These roles and those that they inherit from."""
        found: set[str] = set()
        todo = [*granted, "PUBLIC"]
        while todo:
            one = todo.pop()
            if one not in found:
                found.add(one)
                todo += self.roles.get(one, ())
        return found

    # Judging

    def check(self, connection: Any, command: str) -> None:
        """Raise Snowflake's error for what the session's role may not do."""
        command = bare_statement(command)
        session = self.sessions[connection]
        if SECRETLESS.match(command):
            return
        if found := re.match(r"use\s+role\s+(\w+)$", command, re.IGNORECASE):
            user_roles = self.all_roles({session.role, *self._login_roles[connection]})
            if found[1].upper() not in user_roles:
                _refuse(NO_RIGHT, f"Requested role '{found[1]}' is not assigned to the user")
        elif GRANT_ROLE.match(command) or GRANT.match(command):
            self._check_grant(connection, session, command)
        elif found := CREATE.match(command):
            _end_of_name(found)
            self._check_create(connection, session, found, command)
        elif found := ALTER.match(command):
            _end_of_name(found)
            thing = self._thing(connection, found["kind"], found["name"])
            self._see(session, thing)
            if thing in self.owners and self.owners[thing] not in self.all_roles({session.role}):
                _refuse(NO_RIGHT, f"Insufficient privileges to operate on {' '.join(thing)}")
            if thing[0] == "STAGE":
                self._check_integration(session, found["rest"])
        elif found := re.match(r"desc(?:ribe)?\s+integration\s+(\w+)", command, re.IGNORECASE):
            self._need(session, "USAGE", ("INTEGRATION", found[1].upper()))
        elif re.match(r"copy\s+into\b", command, re.IGNORECASE):
            self._check_copy(connection, session, command)
        else:
            self._check_rows(connection, session, command)
        if not NO_NAMES.match(command):
            for name in unfit_names(command):
                _refuse_name(name)

    def _check_grant(self, connection: Any, session: Session, command: str) -> None:
        mine = self.all_roles({session.role})
        if "SECURITYADMIN" in mine:  # it has MANAGE GRANTS
            if (found := GRANT.match(command)) and not found["many"]:
                thing = self._thing(connection, found["kind"], found["name"])
                if thing not in self.owners:
                    _refuse(NOT_THERE, f"{' '.join(thing)} does not exist or not authorized.")
                outstanding = any(grant[2] == thing for grant in self.grants)
                if "OWNERSHIP" in found["rights"].upper() and outstanding and not found["current"]:
                    _refuse(NO_RIGHT, f"Dependent grants of {' '.join(thing)} must be revoked")
            return
        if found := GRANT_ROLE.match(command):
            things = [("ROLE", found[1].upper())]
        elif (found := GRANT.match(command)) and found["many"]:
            if found["many"].lower() == "future":
                _refuse(NO_RIGHT, "Insufficient privileges: future grants need MANAGE GRANTS")
            things = self._within(connection, found)
        else:
            assert found
            things = [self._thing(connection, found["kind"], found["name"])]
        for thing in things:
            if self.owners.get(thing) not in mine:
                _refuse(NO_RIGHT, f"Insufficient privileges to operate on {' '.join(thing)}")

    def _check_create(
        self, connection: Any, session: Session, found: re.Match[str], command: str
    ) -> None:
        thing = self._thing(connection, found["kind"], found["name"])
        kind, name = thing
        mine = self.all_roles({session.role})
        if thing in self.owners and found["if"]:
            return
        if creator := CREATORS.get(kind):
            if creator not in mine:
                _refuse(NO_RIGHT, f"Insufficient privileges to create {kind}")
            return
        parent = name.rpartition(".")[0]
        if kind == "SCHEMA":
            if self.owners.get(("DATABASE", parent)) not in mine:
                _refuse(NO_RIGHT, f"Insufficient privileges to operate on database '{parent}'")
            return
        self._see(session, thing)
        if "temporary" not in command[: found.start("kind")].lower():
            self._need(session, f"CREATE {kind}", ("SCHEMA", parent), NO_RIGHT)
        if thing in self.owners and found["replace"] and self.owners[thing] not in mine:
            _refuse(NO_RIGHT, f"Insufficient privileges to operate on {kind} '{name}'")
        if kind == "STAGE":
            self._check_integration(session, found["rest"])
        elif kind in ("TABLE", "VIEW") and re.search(r"\bselect\b", found["rest"], re.IGNORECASE):
            self._check_rows(connection, session, command)

    def _check_integration(self, session: Session, text: str) -> None:
        if found := re.search(r"storage_integration\s*=\s*(\w+)", text, re.IGNORECASE):
            self._need(session, "USAGE", ("INTEGRATION", found[1].upper()))

    def _check_copy(self, connection: Any, session: Session, command: str) -> None:
        self._need_warehouse(session)
        named = (
            (r"copy\s+into\s+([\w.]+)", "TABLE", "INSERT"),
            (r"from\s*\(?[^@]*@([\w.]+)", "STAGE", "USAGE"),
            (r"format_name\s*=\s*'?([\w.]+)", "FILE FORMAT", "USAGE"),
        )
        for pattern, kind, right in named:
            if found := re.search(pattern, command, re.IGNORECASE):
                self._need(session, right, self._thing(connection, kind, found[1]))

    def _check_rows(self, connection: Any, session: Session, command: str) -> None:
        tree = parse_one(command)
        target = None
        if isinstance(tree, exp.Insert | exp.Delete | exp.Update | exp.Merge | exp.TruncateTable):
            target = tree.find(exp.Table)
            right = "TRUNCATE" if isinstance(tree, exp.TruncateTable) else type(tree).__name__
            assert target
            self._need(session, right.upper(), self._relation(connection, target))
        elif isinstance(tree, exp.Create):
            target = tree.this.find(exp.Table)
        elif not isinstance(tree, exp.Query | exp.Describe):
            raise NotImplementedError(f"nobody has said yet who may do this: {command[:200]}")
        inner = {one.alias_or_name.upper() for one in tree.find_all(exp.CTE)}
        read = [
            table
            for table in tree.find_all(exp.Table)
            if table is not target
            and isinstance(table.this, exp.Identifier)
            and not (not table.db and table.name.upper() in inner)
        ]
        if isinstance(tree, exp.Delete) and tree.args.get("where"):
            assert target
            read.append(target)
        for table in read:
            self._need(session, "SELECT", self._relation(connection, table))
        if (target or read) and not isinstance(tree, exp.Describe):
            self._need_warehouse(session)

    def _relation(self, connection: Any, table: exp.Table) -> Thing:
        name = _full(connection, [_spelt(part) for part in table.parts])
        return next(
            (thing for thing in (("VIEW", name), ("TABLE", name)) if thing in self.owners),
            ("TABLE", name),
        )

    def _need_warehouse(self, session: Session) -> None:
        try:
            self._need(session, "USAGE", ("WAREHOUSE", session.warehouse))
        except ProgrammingError:
            _refuse(NO_WAREHOUSE, "No active warehouse selected in the current session.")

    def _see(self, session: Session, thing: Thing) -> None:
        """Whoever works in a schema needs USAGE on it and on its database."""
        if thing[0] in IN_SCHEMA:
            database, schema, _ = thing[1].split(".", 2)
            self._need(session, "USAGE", ("DATABASE", database))
            if schema != "INFORMATION_SCHEMA":
                self._need(session, "USAGE", ("SCHEMA", f"{database}.{schema}"))

    def _need(self, session: Session, right: str, thing: Thing, errno: int = NOT_THERE) -> None:
        self._see(session, thing)
        if ".INFORMATION_SCHEMA." in thing[1]:
            return
        if thing in self.owners or thing[0] not in IN_SCHEMA:
            mine = self.all_roles({session.role})
            if self.owners.get(thing) in mine:
                return
            if not any((role, right, thing) in self.grants for role in mine):
                kind, name = thing
                _refuse(errno, f"{kind.title()} '{name}' does not exist or not authorized.")
        # What isn't there is for the engine to say.

    # Remembering

    def done(self, connection: Any, command: str) -> None:
        """Remember what a statement has changed."""
        command = bare_statement(command)
        session = self.sessions[connection]
        if found := re.match(r"use\s+(role|warehouse)\s+(\w+)$", command, re.IGNORECASE):
            setattr(session, found[1].lower(), found[2].upper())
        elif found := GRANT_ROLE.match(command):
            role, whom = found[1].upper(), found[3].upper()
            if found[2].lower() == "user":
                self.users[whom].roles.add(role)
            else:
                self.roles[whom].add(role)
        elif found := GRANT.match(command):
            self._grant(connection, found)
        elif found := CREATE.match(command):
            thing = self._thing(connection, found["kind"], found["name"])
            if thing in self.owners and found["if"]:
                return
            self._made(session, thing)
            if thing[0] == "USER":
                self._set_user(thing[1], found["rest"])
        elif found := ALTER.match(command):
            thing = self._thing(connection, found["kind"], found["name"])
            if command.lower().startswith("drop"):
                self._forget(thing)
            elif thing[0] == "USER":
                self._set_user(thing[1], found["rest"])
            elif renamed := re.match(rf"\s*rename\s+to\s+{NAME}", found["rest"], re.IGNORECASE):
                new = self._thing(connection, found["kind"], renamed["name"])
                self.owners[new] = self.owners.pop(thing)
                self.grants = {
                    (role, right, new if one == thing else one) for role, right, one in self.grants
                }

    def _made(self, session: Session, thing: Thing) -> None:
        self._forget(thing)
        kind, name = thing
        self.owners[thing] = session.role
        if kind == "ROLE":
            self.roles.setdefault(name, set())
        elif kind == "USER":
            self.users[name] = User()
        schema = name.rpartition(".")[0]
        self.grants |= {
            (role, right, thing)
            for role, right, of, where in self.future
            if (of, where) == (kind, schema)
        }

    def _forget(self, thing: Thing) -> None:
        self.owners.pop(thing, None)
        self.grants = {grant for grant in self.grants if grant[2] != thing}

    def _set_user(self, name: str, properties: str) -> None:
        user = self.users[name]
        if found := re.search(r"\btype\s*=\s*(\w+)", properties, re.IGNORECASE):
            user.kind = found[1].upper()
        if found := re.search(r"\btransaction_abort_on_error\s*=\s*(\w+)", properties, re.I):
            user.aborts_on_error = found[1].lower() == "true"
        elif re.search(r"\bunset\s+transaction_abort_on_error\b", properties, re.IGNORECASE):
            user.aborts_on_error = False
        for which, key in re.findall(r"(rsa_public_key(?:_2)?)\s*=\s*'([^']+)'", properties, re.I):
            public = load_der_public_key(base64.b64decode(key))
            assert isinstance(public, RSAPublicKey)
            user.keys[which.upper()] = public

    def _grant(self, connection: Any, found: re.Match[str]) -> None:
        role = found["role"].upper()
        if role not in self.roles:
            _refuse(NOT_THERE, f"Role '{role}' does not exist or not authorized.")
        for right in re.split(r"\s*,\s*", " ".join(found["rights"].upper().split())):
            if found["many"] and found["many"].lower() == "future":
                schema = _full(connection, _parts(found["name"]), "SCHEMA")
                self.future.add((role, right, _one(found["kinds"]), schema))
                continue
            single = [] if found["many"] else [(found["kind"], found["name"])]
            things = [self._thing(connection, *one) for one in single] or self._within(
                connection, found
            )
            for thing in things:
                if right == "OWNERSHIP":
                    self.owners[thing] = role
                else:
                    self.grants.add((role, right, thing))

    def _within(self, connection: Any, found: re.Match[str]) -> list[Thing]:
        schema = _full(connection, _parts(found["name"]), "SCHEMA")
        kind = _one(found["kinds"])
        return [one for one in self.owners if one[0] == kind and one[1].startswith(f"{schema}.")]

    def _thing(self, connection: Any, kind: str, name: str) -> Thing:
        kind = " ".join(kind.upper().split()).removeprefix("STORAGE ")
        return kind, _full(connection, _parts(name), kind)

    @property
    def _login_roles(self) -> dict[Any, set[str]]:
        return {connection: self.users[who].roles for connection, who in self.who.items()}

    who: dict[Any, str] = field(default_factory=dict)
    """Whose session each connection is."""

    def begin(self, connection: Any, user: str, role: str | None, warehouse: str | None) -> None:
        """A session, once somebody was let in."""
        self.who[connection] = user.upper()
        aborts = self.users[user.upper()].aborts_on_error
        self.sessions[connection] = Session(
            (role or "PUBLIC").upper(), (warehouse or "").upper(), aborts
        )

    def aborts_on_error(self, connection: Any) -> bool:
        """Whether an error aborts the session's transaction."""
        return self.sessions[connection].aborts_on_error

    def shown_users(self, like: str) -> Iterator[tuple[str, str]]:
        """The users that `show users like` lists: name and type."""
        yield from ((n, u.kind) for n, u in self.users.items() if n == like.upper())


def bare_statement(command: str) -> str:
    """A statement without comments and what ends it."""
    return re.sub(r"/\*.*?\*/", "", command, flags=re.DOTALL).strip().rstrip(";").strip()


def _end_of_name(found: re.Match[str]) -> None:
    """Raise Snowflake's error where a name goes on with what no name holds without quotes."""
    if re.match(r"[^\s(]", found["rest"]):
        _refuse_name(found["name"] + found["rest"].split()[0])


def _refuse_name(name: str) -> NoReturn:
    text = f"SQL compilation error:\nsyntax error: unexpected '{name}'."
    raise ProgrammingError(msg=text, errno=1003, sqlstate="42000")


def _parts(name: str) -> list[str]:
    parts = re.findall(r'"([^"]+)"|([\w$]+)', name)
    for _, bare in parts:
        if bare and unfit(bare):
            _refuse_name(bare)
    return [quoted or bare.upper() for quoted, bare in parts]


def _spelt(part: exp.Expression) -> str:
    quoted = part.args.get("quoted")
    return part.name if quoted else part.name.upper()


def _full(connection: Any, parts: list[str], kind: str = "TABLE") -> str:
    if kind in CREATORS:
        return ".".join(parts)
    wanted = 2 if kind == "SCHEMA" else 3
    outer = [connection.database or "", connection.schema or ""][: wanted - 1]
    return ".".join([*outer[: wanted - len(parts)], *parts])


def _one(kinds: str) -> str:
    return " ".join(kinds.upper().split()).removesuffix("S")


def _refuse(errno: int, message: str) -> NoReturn:
    state = "42S02" if errno == NOT_THERE else "42501"
    raise ProgrammingError(msg=f"SQL access control error:\n{message}", errno=errno, sqlstate=state)
