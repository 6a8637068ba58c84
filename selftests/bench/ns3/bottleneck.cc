// SPDX-License-Identifier: GPL-2.0
/*
 * The bottleneck of "sluice sim run" in ns-3 3.37: flows of a log of sluice's (flow_log) go from
 * one node to another over a link behind a RED queue that marks every packet at K bytes of
 * backlog, with ns-3's TcpDctcp. The handshake is left out of a flow's time, as sluice has none.
 *
 *     bottleneck LOG RATE_KBPS RTT_US K_BYTES LIMIT_BYTES SECONDS > FCT
 *
 * prints "start_ns bytes fct_ns" for each flow that has finished, and what it took to stderr.
 */
#include <algorithm>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <map>
#include <sstream>
#include <vector>

#include "ns3/core-module.h"
#include "ns3/internet-module.h"
#include "ns3/network-module.h"
#include "ns3/point-to-point-module.h"
#include "ns3/traffic-control-module.h"

using namespace ns3;

static const uint16_t PORT = 9;

struct Flow {
	uint64_t startNs, bytes, sent, arrived;
	int64_t connectedNs;
	Ptr<Socket> socket;
};

static std::vector<Flow> flows;
static std::map<uint16_t, size_t> byPort;	/* of the sender */
static Ptr<Node> sender;
static Address receiver;
static uint64_t finished, nextFlow;

static void Fill(Ptr<Socket> socket, uint32_t)
{
	Address local;
	socket->GetSockName(local);
	Flow &f = flows[byPort[InetSocketAddress::ConvertFrom(local).GetPort()]];

	while (f.sent < f.bytes && socket->GetTxAvailable() > 0) {
		const uint64_t n = std::min<uint64_t>(f.bytes - f.sent, socket->GetTxAvailable());
		const int r = socket->Send(Create<Packet>(std::min<uint64_t>(n, 1448)));

		if (r <= 0)
			return;
		f.sent += r;
	}
	if (f.sent == f.bytes)
		socket->Close();
}

static void Connected(Ptr<Socket> socket)
{
	Address local;
	socket->GetSockName(local);
	flows[byPort[InetSocketAddress::ConvertFrom(local).GetPort()]].connectedNs =
		Simulator::Now().GetNanoSeconds();
	Fill(socket, 0);
}

static void StartNext()
{
	Flow &f = flows[nextFlow];
	Address local;

	f.socket = Socket::CreateSocket(sender, TcpSocketFactory::GetTypeId());
	f.socket->Bind();
	f.socket->GetSockName(local);
	byPort[InetSocketAddress::ConvertFrom(local).GetPort()] = nextFlow;
	f.socket->SetConnectCallback(MakeCallback(&Connected), MakeNullCallback<void, Ptr<Socket>>());
	f.socket->SetSendCallback(MakeCallback(&Fill));
	f.socket->Connect(receiver);
	if (++nextFlow < flows.size())
		Simulator::Schedule(NanoSeconds(flows[nextFlow].startNs) - Simulator::Now(), &StartNext);
}

static void Arrived(Ptr<Socket> socket)
{
	Address from;
	Ptr<Packet> p;

	while ((p = socket->RecvFrom(from)) && p->GetSize() > 0) {
		Flow &f = flows[byPort[InetSocketAddress::ConvertFrom(from).GetPort()]];

		f.arrived += p->GetSize();
		if (f.arrived < f.bytes)
			continue;
		finished++;
		std::printf("%lu\t%lu\t%ld\n", f.startNs, f.bytes,
			    Simulator::Now().GetNanoSeconds() - f.connectedNs);
		f.socket = nullptr;
	}
}

static void Accepted(Ptr<Socket> socket, const Address &)
{
	socket->SetRecvCallback(MakeCallback(&Arrived));
}

static void Configure(uint64_t kBytes, uint64_t limitBytes)
{
	const std::string limit = std::to_string(limitBytes) + "B";

	Config::SetDefault("ns3::TcpL4Protocol::SocketType", TypeIdValue(TcpDctcp::GetTypeId()));
	Config::SetDefault("ns3::TcpSocket::SegmentSize", UintegerValue(1448));
	Config::SetDefault("ns3::TcpSocket::InitialCwnd", UintegerValue(10));
	Config::SetDefault("ns3::TcpSocket::DelAckCount", UintegerValue(1));
	Config::SetDefault("ns3::TcpSocket::SndBufSize", UintegerValue(32000000));
	Config::SetDefault("ns3::TcpSocket::RcvBufSize", UintegerValue(32000000));
	Config::SetDefault("ns3::TcpSocketBase::MinRto", TimeValue(MilliSeconds(200)));
	Config::SetDefault("ns3::RedQueueDisc::MaxSize", QueueSizeValue(QueueSize(limit)));
	Config::SetDefault("ns3::RedQueueDisc::UseEcn", BooleanValue(true));
	Config::SetDefault("ns3::RedQueueDisc::UseHardDrop", BooleanValue(false));
	Config::SetDefault("ns3::RedQueueDisc::Gentle", BooleanValue(false));
	Config::SetDefault("ns3::RedQueueDisc::MeanPktSize", UintegerValue(1500));
	Config::SetDefault("ns3::RedQueueDisc::QW", DoubleValue(1));
	Config::SetDefault("ns3::RedQueueDisc::MinTh", DoubleValue(kBytes));
	Config::SetDefault("ns3::RedQueueDisc::MaxTh", DoubleValue(kBytes + 1));
}

int main(int argc, char **argv)
{
	if (argc != 7) {
		std::fprintf(stderr, "usage: bottleneck LOG RATE_KBPS RTT_US K_BYTES LIMIT_BYTES SECONDS\n");
		return 2;
	}
	std::ifstream log(argv[1]);
	std::string line;
	while (std::getline(log, line)) {
		std::istringstream words(line);
		Flow f = {};

		if (line[0] != '#' && words >> f.startNs >> f.bytes)
			flows.push_back(f);
	}
	if (flows.empty()) {
		std::fprintf(stderr, "%s: no flows\n", argv[1]);
		return 1;
	}
	std::sort(flows.begin(), flows.end(),
		  [](const Flow &a, const Flow &b) { return a.startNs < b.startNs; });
	Configure(std::stoull(argv[4]), std::stoull(argv[5]));

	NodeContainer nodes;
	nodes.Create(2);
	PointToPointHelper link;
	link.SetDeviceAttribute("DataRate", StringValue(std::string(argv[2]) + "kbps"));
	link.SetChannelAttribute("Delay", TimeValue(NanoSeconds(std::stoull(argv[3]) * 500)));
	link.SetQueue("ns3::DropTailQueue", "MaxSize", StringValue("1p"));
	NetDeviceContainer devices = link.Install(nodes);
	InternetStackHelper internet;
	internet.Install(nodes);
	TrafficControlHelper red;
	red.SetRootQueueDisc("ns3::RedQueueDisc");
	QueueDiscContainer queue = red.Install(devices.Get(0));
	Ipv4AddressHelper addresses;
	addresses.SetBase("10.1.1.0", "255.255.255.0");
	Ipv4InterfaceContainer interfaces = addresses.Assign(devices);
	sender = nodes.Get(0);
	receiver = InetSocketAddress(interfaces.GetAddress(1), PORT);

	Ptr<Socket> sink = Socket::CreateSocket(nodes.Get(1), TcpSocketFactory::GetTypeId());
	sink->Bind(InetSocketAddress(Ipv4Address::GetAny(), PORT));
	sink->Listen();
	sink->SetAcceptCallback(MakeNullCallback<bool, Ptr<Socket>, const Address &>(),
				MakeCallback(&Accepted));
	Simulator::Schedule(NanoSeconds(flows[0].startNs), &StartNext);

	const double seconds = std::stod(argv[6]);
	timespec a, b;
	Simulator::Stop(Seconds(seconds * 2 + 10));
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
	Simulator::Run();
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
	const double took = b.tv_sec - a.tv_sec + (b.tv_nsec - a.tv_nsec) / 1e9;
	const QueueDisc::Stats st = queue.Get(0)->GetStats();

	std::fprintf(stderr, "cpu_s %.3f flows %zu finished %lu sent %u marked %u dropped %u\n", took,
		     flows.size(), finished, st.nTotalSentPackets, st.nTotalMarkedPackets,
		     st.nTotalDroppedPackets);
	Simulator::Destroy();
	return 0;
}
