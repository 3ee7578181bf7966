"""Runs each exported query of KQL on DuckDB: at its threshold it finds the scan, one below it nothing."""

import datetime
import re
import sys

import duckdb_kql

START = datetime.datetime(2026, 3, 2, 9, 0, 0)

# The columns that queries name, the time first.
TABLES = {
    "DeviceNetworkEvents": {
        "Timestamp": "TIMESTAMP", "ActionType": "VARCHAR", "DeviceId": "VARCHAR", "DeviceName": "VARCHAR",
        "LocalIP": "VARCHAR", "InitiatingProcessFileName": "VARCHAR", "InitiatingProcessFolderPath": "VARCHAR",
        "InitiatingProcessId": "BIGINT", "InitiatingProcessCreationTime": "TIMESTAMP",
        "InitiatingProcessCommandLine": "VARCHAR", "InitiatingProcessAccountName": "VARCHAR",
        "RemoteIP": "VARCHAR", "RemotePort": "INTEGER",
    },
    "DeviceProcessEvents": {
        "Timestamp": "TIMESTAMP", "ActionType": "VARCHAR", "DeviceId": "VARCHAR", "DeviceName": "VARCHAR",
        "AccountName": "VARCHAR", "FileName": "VARCHAR", "ProcessCommandLine": "VARCHAR",
        "InitiatingProcessFolderPath": "VARCHAR", "InitiatingProcessCommandLine": "VARCHAR",
    },
    "NTANetAnalytics": {
        "FlowStartTime": "TIMESTAMP", "FlowEndTime": "TIMESTAMP", "SubType": "VARCHAR", "DeniedOutFlows": "BIGINT",
        "SrcIp": "VARCHAR", "SrcVm": "VARCHAR", "DestIp": "VARCHAR", "DestPort": "INTEGER",
    },
    "Sessions": {
        "TimeGenerated": "TIMESTAMP", "NetworkDirection": "VARCHAR", "EventResult": "VARCHAR",
        "SrcIpAddr": "VARCHAR", "SrcHostname": "VARCHAR", "DstIpAddr": "VARCHAR", "DstPortNumber": "INTEGER",
    },
}

# What rows hold where they say nothing else.
USUAL = {"ActionType": "ConnectionFailed", "SubType": "FlowLog", "NetworkDirection": "Outbound"}
OF_TYPE = {"TIMESTAMP": START, "VARCHAR": "x", "BIGINT": 1, "INTEGER": 22}


def found(query, table, rows):
    con = duckdb_kql.connect()
    for name, columns in TABLES.items():
        con.sql(f"CREATE TABLE {name} ({', '.join(' '.join(column) for column in columns.items())})")
    for row in rows:
        values = [row.get(name, USUAL.get(name, OF_TYPE[kind])) for name, kind in TABLES[table].items()]
        con.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(values))})", values)
    duckdb_kql.set_functions(["function _Im_NetworkSession(starttime:datetime, endtime:datetime) { Sessions }"])
    return len(duckdb_kql.query(con, query).fetchall())


def scan(query, time):
    """How many targets the query wants, and rows of ever new ones within a second."""
    at = lambda n: {time: START + datetime.timedelta(milliseconds=n)}
    counted = re.search(r"Targets = dcount\((\w+)\)", query)
    if counted:
        target = (lambda n: f"198.51.100.{n}") if "ip" in counted[1].lower() else (lambda n: n + 1)
        rows = [{**at(n), counted[1]: target(n)} for n in range(250)]
    else:
        asked = lambda n: {"FileName": "dns-sd", "ProcessCommandLine": f"dns-sd -B _ssh._tcp local {n}"}
        rows = [{**at(n), **asked(n)} for n in range(250)]
    return int(re.search(r"where (?:Targets|Types) >= (\d+)", query)[1]), rows


ran = 0
for block in re.split(r"\n\n+", sys.stdin.read()):
    title, query = block.split("\n")[0], "\n".join(l for l in block.split("\n") if not l.startswith("//"))
    if not query.strip():
        continue
    faults = duckdb_kql.validate(query)
    assert not faults, (title, faults)
    # The engine takes a function's arguments by their place alone, and knows no ranges of addresses.
    query = query.replace("starttime=", "").replace("endtime=", "")
    query = re.sub(r"\n\| where not\(coalesce\(ipv.*", "", query)
    table = re.match(r"\w+", query)[0].replace("_Im_NetworkSession", "Sessions")
    if " >= " in query:
        least, rows = scan(query, next(iter(TABLES[table])))
        told = found(query, table, rows[:least]), found(query, table, rows[: least - 1])
    else:
        started = lambda line: [{"ActionType": "ProcessCreated", "ProcessCommandLine": line}]
        told = (
            found(query, table, started("/usr/bin/nmap -sS 10.0.0.0/24")),
            found(query, table, started("which nmap")),
        )
    assert told == (1, 0), (title, told)
    ran += 1
print(ran)
