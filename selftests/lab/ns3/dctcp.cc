// SPDX-License-Identifier: GPL-2.0
/*
 * A workload of "ktrend flows" in ns-3: "dctcp FLOWS K" prints a line as "ktrend run FLOWS K" does.
 *
 *	senders --- 100 x the rate --- switch --- rate, RED as a step at K --- receiver
 *
 * Our simulator counts frames with 66 bytes of headers, the point-to-point links here have 54: rate
 * and K are scaled so that a full packet takes the same time and K is as many of them. A flow
 * begins when its connection is there, as our simulator has no handshake. Every packet is acknowledged, as
 * there; with delayed acknowledgements some of ns-3's DCTCP flows stall for good.
 */
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <iostream>
#include <map>
#include <sstream>
#include <vector>

#include "ns3/core-module.h"
#include "ns3/internet-module.h"
#include "ns3/network-module.h"
#include "ns3/point-to-point-module.h"
#include "ns3/traffic-control-module.h"

using namespace ns3;

namespace {

const double mss = 1448, frame = 1514, here = 1502, in_queue = 1500;
const uint32_t n_senders = 16;
const uint16_t port = 9;

struct Flow {
	double start_ns, bytes;
	double began_ns = 0, fct_ns = 0, got = 0;
	uint64_t written = 0;
	Ptr<Socket> socket;
};

std::vector<Flow> flows;
std::map<std::pair<uint32_t, uint16_t>, size_t> by_address;
double rate_bps, rtt_ns, until_ns;
NodeContainer senders;
Ipv4Address receiver;

void Write(Ptr<Socket> socket, size_t i)
{
	Flow &f = flows[i];

	while (f.written < f.bytes && socket->GetTxAvailable()) {
		const uint64_t left = f.bytes - f.written;
		const uint32_t n = std::min<uint64_t>({ left, socket->GetTxAvailable(), 65536 });
		const int sent = socket->Send(Create<Packet>(n));

		if (sent <= 0)
			return;
		f.written += sent;
	}
	if (f.written >= f.bytes)
		socket->Close();
}

void Connected(size_t i, Ptr<Socket> socket)
{
	flows[i].began_ns = Simulator::Now().GetNanoSeconds();
	socket->SetSendCallback([i](Ptr<Socket> s, uint32_t) { Write(s, i); });
	Write(socket, i);
}

void Start(size_t i)
{
	Ptr<Socket> socket = Socket::CreateSocket(senders.Get(i % n_senders),
						  TcpSocketFactory::GetTypeId());
	Address local;

	socket->Bind();
	socket->SetConnectCallback([i](Ptr<Socket> s) { Connected(i, s); },
				   [](Ptr<Socket>) { std::cerr << "dctcp: no connection\n"; });
	socket->Connect(InetSocketAddress(receiver, port));
	socket->GetSockName(local);
	flows[i].socket = socket;
	by_address[{ i % n_senders, InetSocketAddress::ConvertFrom(local).GetPort() }] = i;
}

void Receive(size_t i, Ptr<Socket> socket)
{
	Flow &f = flows[i];
	Ptr<Packet> p;

	while ((p = socket->Recv()) && p->GetSize())
		f.got += p->GetSize();
	if (f.got >= f.bytes && f.fct_ns == 0)
		f.fct_ns = Simulator::Now().GetNanoSeconds() - f.began_ns;
}

/* The senders' addresses are 10.0.N.1. */
void Accepted(Ptr<Socket> socket, const Address &from)
{
	const InetSocketAddress a = InetSocketAddress::ConvertFrom(from);
	const size_t i = by_address.at({ a.GetIpv4().Get() >> 8 & 0xff, a.GetPort() });

	socket->SetRecvCallback([i](Ptr<Socket> s) { Receive(i, s); });
}

bool Read(const char *path)
{
	std::ifstream in(path);
	std::string line, key, hash;

	while (std::getline(in, line)) {
		std::istringstream words(line);
		Flow f;

		if (line[0] == '#') {
			double value = 0;

			words >> hash >> key >> value;
			if (key == "rate_bps")
				rate_bps = value;
			else if (key == "rtt_ns")
				rtt_ns = value;
			else if (key == "until_ns")
				until_ns = value;
		} else if (words >> f.start_ns >> f.bytes) {
			flows.push_back(f);
		} else {
			return false;
		}
	}
	return rate_bps > 0 && rtt_ns > 0 && !flows.empty();
}

void Build(double k)
{
	NodeContainer ends(2);	/* switch, receiver */
	InternetStackHelper stack;
	Ipv4AddressHelper addresses;
	PointToPointHelper fast, slow;
	TrafficControlHelper tc;
	std::ostringstream delay, rate, limit;

	Config::SetDefault("ns3::TcpL4Protocol::SocketType", StringValue("ns3::TcpDctcp"));
	Config::SetDefault("ns3::TcpSocket::SegmentSize", UintegerValue(mss));
	Config::SetDefault("ns3::TcpSocket::InitialCwnd", UintegerValue(10));
	Config::SetDefault("ns3::TcpSocket::SndBufSize", UintegerValue(16 << 20));
	Config::SetDefault("ns3::TcpSocket::RcvBufSize", UintegerValue(16 << 20));
	Config::SetDefault("ns3::TcpSocketBase::MinRto", TimeValue(MilliSeconds(200)));
	Config::SetDefault("ns3::RedQueueDisc::UseEcn", BooleanValue(true));
	Config::SetDefault("ns3::RedQueueDisc::UseHardDrop", BooleanValue(false));
	Config::SetDefault("ns3::RedQueueDisc::Gentle", BooleanValue(false));
	Config::SetDefault("ns3::RedQueueDisc::QW", DoubleValue(1));
	Config::SetDefault("ns3::RedQueueDisc::MeanPktSize", UintegerValue(in_queue));
	Config::SetDefault("ns3::RedQueueDisc::MaxSize", StringValue("4000000B"));
	Config::SetDefault("ns3::RedQueueDisc::MinTh", DoubleValue(k * in_queue / frame));
	Config::SetDefault("ns3::RedQueueDisc::MaxTh", DoubleValue(k * in_queue / frame + 1));
	Config::SetDefault("ns3::TcpSocket::DelAckCount", UintegerValue(1));

	senders.Create(n_senders);
	stack.Install(senders);
	stack.Install(ends);
	rate << (uint64_t)(rate_bps * here / frame) << "bps";
	slow.SetDeviceAttribute("DataRate", StringValue(rate.str()));
	fast.SetDeviceAttribute("DataRate", DataRateValue(DataRate(100 * rate_bps)));
	delay << (uint64_t)(rtt_ns / 2) - 1000 << "ns";
	slow.SetChannelAttribute("Delay", StringValue(delay.str()));
	fast.SetChannelAttribute("Delay", StringValue("1000ns"));
	/* The queue is the discipline's; the device has no more than one packet waiting. */
	slow.SetQueue("ns3::DropTailQueue", "MaxSize", StringValue("1p"));

	NetDeviceContainer d = slow.Install(ends.Get(0), ends.Get(1));
	tc.SetRootQueueDisc("ns3::RedQueueDisc", "LinkBandwidth", StringValue(rate.str()),
			    "LinkDelay", StringValue(delay.str()));
	tc.Install(d.Get(0));
	addresses.SetBase("10.1.0.0", "255.255.255.0");
	receiver = addresses.Assign(d).GetAddress(1);
	for (uint32_t i = 0; i < n_senders; i++) {
		std::ostringstream base;

		base << "10.0." << i << ".0";
		addresses.SetBase(base.str().c_str(), "255.255.255.0");
		addresses.Assign(fast.Install(senders.Get(i), ends.Get(0)));
	}
	Ipv4GlobalRoutingHelper::PopulateRoutingTables();

	Ptr<Socket> listener = Socket::CreateSocket(ends.Get(1), TcpSocketFactory::GetTypeId());
	listener->Bind(InetSocketAddress(Ipv4Address::GetAny(), port));
	listener->Listen();
	listener->SetAcceptCallback(MakeNullCallback<bool, Ptr<Socket>, const Address &>(),
				    MakeCallback(&Accepted));
	for (size_t i = 0; i < flows.size(); i++)
		Simulator::Schedule(NanoSeconds(flows[i].start_ns), &Start, i);
}

void Print(double k, double seconds)
{
	static const double weight[4] = { 0.3, 0.3, 0.2, 0.2 };
	double sum[4] = {}, n[4] = {}, cost = 0, weights = 0;
	size_t finished = 0;

	for (const Flow &f : flows) {
		const int c = f.bytes <= 1e4 ? 0 : f.bytes <= 1e5 ? 1 : f.bytes <= 1e6 ? 2 : 3;
		const double wire = f.bytes + std::ceil(f.bytes / mss) * (frame - mss);

		if (f.fct_ns == 0)
			continue;
		finished++;
		n[c]++;
		sum[c] += f.fct_ns / (rtt_ns / 2 + wire * 8e9 / rate_bps);
	}
	for (int c = 0; c < 4; c++) {
		if (n[c] == 0)
			continue;
		cost += weight[c] * std::log(sum[c] / n[c]);
		weights += weight[c];
	}
	std::printf("%.0f %.5f %.5f %.5f %zu %zu %.2f\n", k, std::exp(cost / weights),
		    n[0] + n[1] > 0 ? (sum[0] + sum[1]) / (n[0] + n[1]) : 0,
		    n[2] + n[3] > 0 ? (sum[2] + sum[3]) / (n[2] + n[3]) : 0, finished,
		    flows.size() - finished, seconds);
}

} // namespace

int main(int argc, char **argv)
{
	const clock_t begin = clock();

	if (argc != 3 || !Read(argv[1])) {
		std::cerr << "dctcp: needs a file of flows and K in bytes\n";
		return 1;
	}
	Build(std::atof(argv[2]));
	Simulator::Stop(NanoSeconds(until_ns));
	Simulator::Run();
	Print(std::atof(argv[2]), (double)(clock() - begin) / CLOCKS_PER_SEC);
	std::fflush(stdout);
	_Exit(0);	/* taking a million objects down says nothing */
}
