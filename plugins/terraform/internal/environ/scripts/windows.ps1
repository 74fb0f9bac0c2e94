# Starts the workspace agent: downloads it from the deployment and runs it.
$ErrorActionPreference = "Stop"
$ProgressPreference = "SilentlyContinue" # drawing progress makes downloads many times slower

$url = "${ACCESS_URL}bin/coder-@PLATFORM@.exe"
# The remote mode of an editor looks for a process of this name to find out that it runs below an SSH server.
$binary = Join-Path $env:TEMP "sshd.exe"

# The log of a failure is often gone with the machine: on a failure this stays for a day, so that someone can read why.
function Wait-ForReader([string] $reason) {
    Write-Output "agent bootstrap: $reason; waiting for a day so that this log can be read"
    Start-Sleep -Seconds 86400
    exit 1
}

try {
    [Net.ServicePointManager]::SecurityProtocol = [Net.ServicePointManager]::SecurityProtocol -bor [Net.SecurityProtocolType]::Tls12
} catch {
    Write-Output "agent bootstrap: could not turn on TLS 1.2: $_"
}

$attempt = 1
while ($true) {
    try {
        Invoke-WebRequest -UseBasicParsing -Uri $url -OutFile $binary
        break
    } catch {
        Write-Output "agent bootstrap: attempt $attempt to download ${url} failed: $_; trying again in 15 seconds"
        $attempt++
        Start-Sleep -Seconds 15
    }
}

$env:CODER_AGENT_AUTH = "${AUTH_TYPE}"
$env:CODER_AGENT_URL = "${ACCESS_URL}"

try {
    & $binary agent
} catch {
    Wait-ForReader "the agent could not be started: $_"
}
if ($LASTEXITCODE -ne 0) {
    Wait-ForReader "the agent ended with status $LASTEXITCODE"
}
