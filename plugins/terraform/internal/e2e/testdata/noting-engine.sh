#!/bin/sh
# An engine that notes its arguments, its environment and the files that it finds.
set -e
if [ "$1" = version ]; then
	echo '{"terraform_version": "1.11.4"}'
	exit
fi
{
	echo "== $*"
	env | sort
	find . -type f | sort | while read -r f; do
		echo "-- $f"
		cat "$f"
		echo
	done
} >>'NOTES'
case "$*" in
init*)
	mkdir -p .terraform/modules/m
	echo 'locals {}' >.terraform/modules/m/main.tf
	echo '{"Modules":[{"Key":"m","Source":"registry/m","Dir":".terraform/modules/m"}]}' >.terraform/modules/modules.json
	;;
plan*) echo plan >terraform.tfplan ;;
apply*) [ -e terraform.tfstate ] || echo '{"version":4,"resources":[]}' >terraform.tfstate ;;
"show -no-color -json terraform.tfplan") echo '{"format_version":"1.2","planned_values":{"root_module":{}}}' ;;
show*) echo '{"format_version":"1.0","values":{"root_module":{"resources":[{"address":"thing.of_state","mode":"managed","type":"thing","name":"of_state","values":{}}]}}}' ;;
graph*) echo 'digraph {}' ;;
esac
